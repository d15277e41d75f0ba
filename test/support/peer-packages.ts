import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { command } from './command.ts'
import { spawnSync, type SpawnSyncReturns } from 'node:child_process'

/**
 * Debian's BGP daemons and container runtimes, unpacked into a cache folder and never installed: bird and
 * bird2 conflict as packages, and an installed daemon would be started as a service of the machine.
 */
export const PEER_PACKAGES = {
  bird: 'usr/sbin/bird',
  bird2: 'usr/sbin/bird',
  frr: 'usr/lib/frr/bgpd',
  gobgpd: 'usr/bin/gobgpd',
  openbgpd: 'usr/sbin/bgpd',
  exabgp: 'usr/sbin/python3-exabgp',
  containerd: 'usr/bin/containerd',
  podman: 'usr/bin/podman',
  'containernetworking-plugins': 'usr/lib/cni/portmap',
  iptables: 'usr/sbin/xtables-nft-multi',
  'busybox-static': 'bin/busybox',
} as const

export type PeerPackage = keyof typeof PEER_PACKAGES

export type Unpacked =
  | { readonly root: string; readonly version: string }
  | { readonly missing: string }

const cache = join(tmpdir(), 'tortie-peers')

/** The folder a package is unpacked in, with the libraries this machine lacks; or why it cannot be had. */
export function unpackedPeer(name: PeerPackage): Unpacked {
  const root = join(cache, name)
  try {
    if (name === 'exabgp' && !existsSync('/usr/bin/python3')) throw new Error('no python3 here')
    if (!existsSync(join(root, PEER_PACKAGES[name]))) unpack(name, root)
    return { root, version: readFileSync(join(root, '.version'), 'utf8') }
  } catch (error) {
    return { missing: error instanceof Error ? error.message : String(error) }
  }
}

function unpack(name: PeerPackage, root: string): void {
  if (!existsSync('/usr/bin/apt-get')) throw new Error('no apt-get on this machine')
  mkdirSync(cache, { recursive: true })
  const work = mkdtempSync(join(cache, `.${name}-`))
  try {
    const packages = [...new Set([name, ...missingDependencies(name)])]
    download(packages, work)
    for (const file of command('find', [work, '-name', '*.deb']).trim().split('\n')) {
      command('dpkg-deb', ['-x', file, join(work, 'root')])
      if (file.includes(`/${name}_`)) {
        const version = command('dpkg-deb', ['-f', file, 'Version']).trim()
        writeFileSync(join(work, 'root', '.version'), version)
      }
    }
    rmSync(root, { recursive: true, force: true })
    renameSync(join(work, 'root'), root)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Packages that installing `name` would bring; `apt-get -s` only says so. */
function missingDependencies(name: string): string[] {
  const apt = (...args: string[]): SpawnSyncReturns<string> =>
    spawnSync('apt-get', args, { encoding: 'utf8', timeout: 120_000, env: englishEnvironment() })
  const simulate = ['-s', '--no-install-recommends', 'install', name]
  let plan = apt(...simulate)
  if (plan.status !== 0) {
    apt('update', '-q')
    plan = apt(...simulate)
  }
  if (plan.status !== 0) throw new Error(`no package ${name} for this machine`)
  return [...plan.stdout.matchAll(/^Inst (\S+)/gm)].map((match) => match[1]!)
}

function download(packages: readonly string[], folder: string): void {
  const result = spawnSync('apt-get', ['download', '-q', ...packages], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 120_000,
    env: englishEnvironment(),
  })
  if (result.status !== 0)
    throw new Error(`download failed: ${result.stderr.trim().split('\n')[0]}`)
}

function englishEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: 'C' }
}

/** Environment in which an unpacked program finds its libraries. */
export function peerEnvironment(root: string): NodeJS.ProcessEnv {
  const machine = spawnSync('dpkg-architecture', ['-qDEB_HOST_MULTIARCH'], { encoding: 'utf8' })
  const triplet =
    machine.status === 0
      ? machine.stdout.trim()
      : process.arch === 'arm64'
        ? 'aarch64-linux-gnu'
        : 'x86_64-linux-gnu'
  const folders = [`usr/lib/${triplet}`, `usr/lib/${triplet}/frr`, `lib/${triplet}`, 'usr/lib']
  return {
    ...process.env,
    LD_LIBRARY_PATH: folders.map((folder) => join(root, folder)).join(':'),
    PYTHONPATH: join(root, 'usr/lib/python3/dist-packages'),
  }
}

/**
 * A command line that sees the users and groups a package would have made (`_bgpd`, `frr`, `frrvty`),
 * by files bound over /etc/passwd and /etc/group in a mount namespace of its own. All are user 0: the
 * daemons' folders are temporary and their own.
 */
export function withUsers(
  folder: string,
  users: readonly { readonly name: string; readonly home: string }[],
  program: readonly string[],
): string[] {
  const passwd = join(folder, 'passwd')
  const group = join(folder, 'group')
  writeWhole(
    passwd,
    readFileSync('/etc/passwd', 'utf8') +
      users.map(({ name, home }) => `${name}:x:0:0::${home}:/bin/false\n`).join(''),
  )
  writeWhole(
    group,
    readFileSync('/etc/group', 'utf8') + users.map(({ name }) => `${name}:x:0:\n`).join(''),
  )
  const script = `mount --bind ${passwd} /etc/passwd && mount --bind ${group} /etc/group && exec "$@"`
  return ['unshare', '--mount', 'sh', '-c', script, 'sh', ...program]
}

/** A daemon that starts may read the file at this very moment: it sees the old one or the new one, and never an empty one. */
function writeWhole(path: string, text: string): void {
  writeFileSync(`${path}.new`, text)
  renameSync(`${path}.new`, path)
}
