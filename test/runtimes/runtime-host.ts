import { type ChildProcess, spawn, spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { peerEnvironment, type PeerPackage, unpackedPeer } from '../support/peer-packages.ts'
import { say, TestLab } from '../lab/tortie.ts'

const EXECUTABLE = join(import.meta.dirname, '../../dist/tortie-cni.cjs')
const FOLDERS = ['bin', 'etc/cni/net.d', 'plugins', 'rootfs/bin', 'run', 'shm', 'var-lib', 'work']
const SHELL_TOOLS = ['sh', 'sleep', 'ping', 'ip', 'wget', 'httpd']
/** What portmap and podman call. */
const TABLE_TOOLS = ['iptables', 'ip6tables'].flatMap((name) =>
  ['', '-save', '-restore'].map((suffix) => `${name}${suffix}`),
)

/** Where programs of Debian are unpacked; or which cannot be had, and why. */
export function unpackedRoots<Name extends PeerPackage>(
  ...names: readonly Name[]
): Record<Name, string> | { readonly missing: string } {
  const roots: [string, string][] = []
  for (const name of names) {
    const unpacked = unpackedPeer(name)
    if ('missing' in unpacked) return { missing: `${name}: ${unpacked.missing}` }
    roots.push([name, unpacked.root])
  }
  return Object.fromEntries(roots) as Record<Name, string>
}

/**
 * A node of a lab in which a container runtime runs: in the node's network, and with mounts of its own but for
 * those under /run/netns, which runtime and agent share.
 */
export class RuntimeHost {
  readonly lab: TestLab
  readonly folder: string
  /** The folder of the agent of the node. */
  readonly state: string
  readonly namespace: string
  readonly #roots: Readonly<Record<string, string>>
  readonly #before: readonly string[]
  readonly #daemons: ChildProcess[] = []
  readonly #controlGroups = new Set(controlGroups())

  /** @param plugins of the chain, behind this one */
  constructor(name: string, roots: Readonly<Record<string, string>>, plugins: readonly object[]) {
    this.#roots = roots
    this.lab = new TestLab('seed', `${name}${process.pid}`)
    const { nodes } = JSON.parse(say('lab', 'status', this.lab.name, '-o', 'json')) as {
      nodes: { name: string; namespace: string }[]
    }
    this.namespace = nodes.find((node) => node.name === 'server01')!.namespace
    this.state = `/run/tortie/labs/${this.lab.name}/nodes/server01`
    this.folder = mkdtempSync(join(tmpdir(), 'tortie-runtime-'))
    for (const each of FOLDERS) {
      mkdirSync(join(this.folder, each), { recursive: true })
    }
    const standard = join(roots['containernetworking-plugins']!, 'usr/lib/cni')
    for (const each of readdirSync(standard))
      symlinkSync(join(standard, each), this.path('plugins', each))
    symlinkSync(EXECUTABLE, this.path('plugins', 'tortie-cni'))
    copyFileSync(join(roots['busybox-static']!, 'bin/busybox'), this.path('rootfs/bin/busybox'))
    for (const tool of SHELL_TOOLS) symlinkSync('busybox', this.path('rootfs/bin', tool))
    const tables = join(roots['iptables']!, 'usr/sbin/xtables-nft-multi')
    for (const tool of TABLE_TOOLS) symlinkSync(tables, this.path('bin', tool))
    const own = { type: 'tortie-cni', agentSocket: join(this.state, 'agent.sock') }
    const list = { cniVersion: '1.0.0', name: 'k8s-pod-network', plugins: [own, ...plugins] }
    writeFileSync(this.path('etc/cni/net.d/10-tortie.conflist'), JSON.stringify(list))
    this.#before = this.held()
  }

  path(...names: readonly string[]): string {
    return join(this.folder, ...names)
  }

  get environment(): NodeJS.ProcessEnv {
    const roots = Object.values(this.#roots)
    const libraries = roots.map((root) => peerEnvironment(root)['LD_LIBRARY_PATH']).join(':')
    const programs = roots.flatMap((root) => [join(root, 'usr/bin'), join(root, 'usr/sbin')])
    return {
      ...process.env,
      LC_ALL: 'C',
      LD_LIBRARY_PATH: libraries,
      XTABLES_LIBDIR: roots
        .flatMap((root) =>
          ['x86_64', 'aarch64'].map((each) => join(root, 'usr/lib', `${each}-linux-gnu/xtables`)),
        )
        .find((folder) => existsSync(folder)),
      PATH: [this.path('bin'), ...programs, process.env['PATH']].join(':'),
    }
  }

  #command(program: readonly string[]): string[] {
    // A folder of its own for all that runtimes write, but for namespaces, which the agent must see.
    const script = `set -e; own=${this.folder}; mount --make-private /
      mount -t overlay -o lowerdir=/etc,upperdir=$own/etc,workdir=$own/work overlay /etc
      for name in netns tortie; do
        mkdir -p $own/run/$name; mount --rbind /run/$name $own/run/$name
      done
      mount --rbind $own/run /run; mount --bind $own/var-lib /var/lib; mount --bind $own/shm /dev/shm
      mount -t tmpfs none /opt; mkdir /opt/cni; ln -s $own/plugins /opt/cni/bin; exec "$@"`
    const inside = ['unshare', '--mount', '--propagation', 'unchanged', 'sh', '-c', script, 'sh']
    return [`--net=/run/netns/${this.namespace}`, ...inside, ...program]
  }

  /** Runs a program to its end. */
  try(...program: readonly string[]): SpawnSyncReturns<string> {
    return this.tell('', {}, ...program)
  }

  /** The same with something on standard input, and more environment. */
  tell(
    input: string,
    environment: NodeJS.ProcessEnv,
    ...program: readonly string[]
  ): SpawnSyncReturns<string> {
    const env = { ...this.environment, ...environment }
    const options = { input, env, encoding: 'utf8', timeout: 60_000 } as const
    return spawnSync('nsenter', this.#command(program), options)
  }

  /** Its output; throws with what it said if it fails. */
  run(...program: readonly string[]): string {
    const { status, stdout, stderr } = this.try(...program)
    if (status === 0) return stdout
    throw new Error(`${program.join(' ')} ended with ${status}: ${stderr}${stdout}`)
  }

  start(...program: readonly string[]): void {
    const options = { env: this.environment, stdio: 'ignore' } as const
    this.#daemons.push(spawn('nsenter', this.#command(program), options))
  }

  /** What the node has for pods: links, and what the agent remembers. */
  held(): string[] {
    const { stdout } = spawnSync('ip', ['-n', this.namespace, '-br', 'link'], { encoding: 'utf8' })
    const records = readdirSync(join(this.state, 'attachments'))
    return [...(stdout.match(/cali[\w-]+/g) ?? []), ...records].sort()
  }

  /** What there is for containers of the runtime alone. */
  left(): string[] {
    return this.held().filter((each) => !this.#before.includes(each))
  }

  log(): string {
    return readFileSync(join(this.state, 'agent.log'), 'utf8')
  }

  async close(): Promise<void> {
    for (const daemon of this.#daemons) {
      const ended = once(daemon, 'exit')
      if (daemon.kill()) await ended
    }
    // Runtimes leave theirs behind; those of others are not empty, or were there before.
    for (const each of controlGroups()) {
      if (!this.#controlGroups.has(each)) spawnSync('rmdir', [each])
    }
    this.lab.down()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** The innermost first. */
function controlGroups(): string[] {
  const command = ['/sys/fs/cgroup', '-mindepth', '2', '-maxdepth', '4', '-depth', '-type', 'd']
  return spawnSync('find', command, { encoding: 'utf8' }).stdout.trim().split('\n')
}
