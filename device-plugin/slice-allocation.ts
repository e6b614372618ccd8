// SPDX-License-Identifier: Apache-2.0
//
// What a container gets for its memory slices: a mount for each, and variables and an annotation that name them. The
// slices are there already.

import { join } from 'node:path';
import { podMemPath } from '../lib/names.ts';
import type { ContainerAllocateResponse } from '../proto/gen/v1beta1/ContainerAllocateResponse.ts';
import { contractVersion } from './allocation.ts';
import type { SliceKind } from './slice-directory.ts';

/** `shm-64Mi`: last part of the resource's name, and what device ids begin with. */
export function slicePoolName(pool: { readonly kind: SliceKind; readonly sizeMi: number }): string {
  return `${pool.kind}-${pool.sizeMi}Mi`;
}

/** Ids of the pool's slices, as its devices have them. */
export function sliceIds(pool: Parameters<typeof slicePoolName>[0] & { readonly count: number }): string[] {
  const name = slicePoolName(pool);
  return Array.from({ length: pool.count }, (_, index) => `${name}-${index}`);
}

export interface SlicePlace {
  /** Of the pool, `shm-64Mi`. */
  readonly name: string;
  /** Host directory of the files, each named after its device id. */
  readonly directory: string;
  readonly resourceName: string;
}

/**
 * Another resource of the same container answers with variables too, and the kubelet keeps the first value of a name:
 * so the directory is the same in all answers, and the list of files has the pool in its name.
 */
export function respondWithSlices(ids: readonly string[], place: SlicePlace): ContainerAllocateResponse {
  const inPod = (id: string): string => `${podMemPath}/${id}`;
  return {
    envs: {
      USVHOST_CONTRACT: contractVersion,
      USVHOST_MEM: podMemPath,
      [`USVHOST_MEM_${place.name.toUpperCase().replace('-', '_')}`]: ids.map(inPod).join(','),
    },
    mounts: ids.map((id) => ({
      container_path: inPod(id),
      host_path: join(place.directory, id),
      read_only: false,
    })),
    annotations: { [place.resourceName]: ids.join(',') },
  };
}
