// SPDX-License-Identifier: Apache-2.0
//
// The links of a node that every pod needs, in the order in which they depend on one another: directories, switch, agent,
// kubelet, CNI plugin, tun device. Each is looked at or talked to; nothing is changed.

import { execFile } from 'node:child_process';
import { lstatSync, statSync } from 'node:fs';
import { readSwitchChoice } from '../../agent/switch-file.ts';
import { errnoOf } from '../../lib/errno.ts';
import { UsvhostError } from '../../lib/errors.ts';
import type { HostPaths } from '../../lib/names.ts';
import { probeSocket } from '../../proto/socket-file.ts';
import { type Finding, note, ok, wrong } from '../check/finding.ts';
import { type Look, look } from '../ports/look.ts';

const pluginMillis = 10_000;

/** As an argument for a shell, so that a command can be copied. */
export function quoted(path: string): string {
  return /^[\w./:@%+,-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}

function rootFlag(paths: HostPaths): string {
  return paths.root === '/' ? '' : ` --root ${quoted(paths.root)}`;
}

export function checkDirectories(paths: HostPaths): Finding {
  const what = 'directories';
  const made = `usvhost switch${rootFlag(paths)} and usvhost agent${rootFlag(paths)} make it when they start`;
  try {
    const missing = [paths.runDir, paths.portsDir, paths.podsDir].find(
      (path) => lstatSync(path, { throwIfNoEntry: false })?.isDirectory() !== true,
    );
    if (missing !== undefined) return wrong(what, `there is no directory ${missing}`, made);
    const mode = lstatSync(paths.runDir).mode & 0o777;
    // Whoever gets below it reaches every pod's socket.
    if ((mode & 0o077) === 0) return ok(what, `${paths.runDir}, mode ${mode.toString(8)}`);
    const says = `${paths.runDir} has mode ${mode.toString(8)}, not 700`;
    return wrong(what, says, `chmod 700 ${quoted(paths.runDir)}`);
  } catch (error) {
    if (errnoOf(error) === '') throw error;
    return wrong(what, `${paths.runDir} cannot be looked at: ${errnoOf(error)}`, 'run doctor as root');
  }
}

/** The switch, and what it has when it answers. */
export async function checkSwitch(
  paths: HostPaths,
): Promise<{ readonly finding: Finding; readonly seen?: Look }> {
  const what = 'switch';
  try {
    const seen = await look(paths);
    return { finding: ok(what, `${seen.what} answers, ${seen.ports.size} ports`), seen };
  } catch (error) {
    if (!(error instanceof UsvhostError)) throw error;
    const ovs = readSwitchChoice(paths).switch === 'ovs';
    const todo = ovs ? 'set Open vSwitch up as docs/ovs.md says' : `usvhost switch${rootFlag(paths)}`;
    return { finding: wrong(what, error.details, todo) };
  }
}

/** Whether somebody accepts connections on a socket; `todo` is for when nobody does. */
export async function checkListener(what: string, path: string, todo: string): Promise<Finding> {
  try {
    const state = await probeSocket(path);
    if (state === 'live') return ok(what, `${path} accepts connections`);
    return wrong(what, state === 'absent' ? `there is no ${path}` : `nobody listens on ${path}`, todo);
  } catch (error) {
    if (!(error instanceof UsvhostError)) throw error;
    return wrong(what, error.details, todo);
  }
}

function versionsOf(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const versions: unknown =
      typeof value === 'object' && value !== null ? Reflect.get(value, 'supportedVersions') : undefined;
    return Array.isArray(versions) ? versions.join(', ') : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Runs the plugin as a runtime does, with the one command that needs nobody else. */
export function checkPlugin(paths: HostPaths, plugin: string): Promise<Finding> {
  const what = 'CNI plugin';
  const todo = `usvhost install${rootFlag(paths)}`;
  return new Promise((resolve) => {
    const child = execFile(
      plugin,
      { env: { CNI_COMMAND: 'VERSION' }, timeout: pluginMillis, killSignal: 'SIGKILL' },
      (error, stdout) => {
        const versions = versionsOf(stdout);
        if (error !== null)
          resolve(wrong(what, `${plugin} cannot be run: ${error.code ?? error.message}`, todo));
        else if (versions === undefined) resolve(wrong(what, `${plugin} does not answer VERSION`, todo));
        else resolve(ok(what, `${plugin} speaks ${versions}`));
      },
    );
    // A program that does not read is judged by what it prints.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end('{}');
  });
}

/** The device by which the plugin makes taps. A note at most: pods that open the socket themselves do without. */
export function checkTun(device: string): Finding {
  const what = 'tun';
  // Not opened: the container in which the agent is may not.
  if (statSync(device, { throwIfNoEntry: false })?.isCharacterDevice() === true)
    return ok(what, `${device} is there`);
  const says = `there is no device ${device}: pods that are to get an interface do not start (USV_TAP)`;
  return note(what, says, 'modprobe tun');
}

/** All links of the node, and the switch's ports when it answers. `tun`: the device node of the kernel. */
export async function nodeLinks(
  paths: HostPaths,
  plugin: string,
  tun = '/dev/net/tun',
): Promise<{ readonly findings: readonly Finding[]; readonly seen?: Look }> {
  const directories = checkDirectories(paths);
  const { finding, seen } = await checkSwitch(paths);
  const agentTodo = `usvhost agent${rootFlag(paths)}`;
  const agent = await checkListener('agent', paths.agentSocket, agentTodo);
  const kubelet = await checkListener('kubelet', paths.kubeletSocket, 'systemctl restart kubelet');
  const device = await checkListener(
    'device plugin',
    paths.pluginSocket,
    `${agentTodo}, which registers with the kubelet`,
  );
  const pluginFinding = await checkPlugin(paths, plugin);
  const findings = [directories, finding, agent, kubelet, device, pluginFinding, checkTun(tun)];
  return { findings, ...(seen === undefined ? {} : { seen }) };
}
