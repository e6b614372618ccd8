// SPDX-License-Identifier: Apache-2.0
//
// An archive as the kernel unpacks it into its first root directory: "newc" of cpio, Linux'
// Documentation/driver-api/early-userspace/buffer-format.rst.

export interface Entry {
  /** Below the root, without a slash in front. A directory comes before what is in it. */
  readonly path: string;
  /** Absent: a directory. */
  readonly content?: Buffer | string;
  /** Whether it is a link, and `content` its target. */
  readonly link?: boolean;
}

const fileType = { directory: 0o040000, file: 0o100000, link: 0o120000 } as const;

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}

function record(inode: number, mode: number, path: string, content: Buffer): Buffer {
  const name = Buffer.from(`${path}\0`);
  // Inode, mode, uid, gid, links, time, size, device and its own device (two each), length of the name, check sum.
  const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
  return Buffer.concat([padded(Buffer.concat([Buffer.from(header), name])), padded(content)]);
}

/** Every file can be executed and everything is root's. */
export function cpioArchive(entries: readonly Entry[]): Buffer {
  const records = entries.map(({ path, content, link = false }, index) => {
    const type = content === undefined ? 'directory' : link ? 'link' : 'file';
    return record(index + 1, fileType[type] | 0o755, path, Buffer.from(content ?? ''));
  });
  return Buffer.concat([...records, record(0, 0, 'TRAILER!!!', Buffer.alloc(0))]);
}
