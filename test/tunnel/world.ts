import { execFile, execFileSync, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Link } from '../../src/kernel/kernel.ts'
import type { AgentStatus } from '../../src/api/agent-status.ts'
import { silentLog } from '../../src/lib/log.ts'
import { openEtcdStore } from '../../src/main/open-etcd-store.ts'
import { createLinuxMachine } from '../../src/platform/linux/machine.ts'
import type { LinuxKernel } from '../../src/platform/linux/linux-kernel.ts'
import { systemClock } from '../../src/platform/node/clock.ts'
import { systemRandom } from '../../src/platform/node/random.ts'
import { Resources } from '../../src/store/resources.ts'
import { eventually } from '../support/command.ts'
import { FAR, NEAR, topology } from './topology.ts'

/** What the agents are told to make tunl0 of: the kernel's own device, or programs around another one. */
export type TunnelKind = 'kernel' | 'ebpf'

export interface Side {
  /** Name of the node, and of its network namespace. */
  readonly node: string
  readonly podNamespace: string
  readonly kernel: LinuxKernel
  readonly podKernel: LinuxKernel
  readonly address: string
  readonly pod: string
  readonly block: string
}

/** The cluster of {@link topology}, up, by the executable as a user runs it. */
export interface World {
  readonly kind: TunnelKind
  /** A folder for what the test wants to look at afterwards. */
  readonly folder: string
  readonly near: Side
  readonly far: Side
  readonly router: { readonly namespace: string; readonly kernel: LinuxKernel }
  /** The two networks, each a bridge in a namespace. */
  readonly networks: readonly LinuxKernel[]
  readonly resources: Resources
  /** Runs `tortie`, and throws with what it said if it fails. */
  tortie(...args: string[]): Promise<string>
  /** What the agent of a node says of itself. */
  status(node: string): Promise<AgentStatus>
  /** Kills the agent of a node and starts it again. */
  restartAgent(node: string): Promise<void>
  /** Runs a program in a namespace to its end; answers output and status, whatever came of it. */
  run(namespace: string, ...command: string[]): { readonly output: string; readonly status: number }
  /** Starts a program in a namespace; ended by `stop`, which answers what it printed. */
  start(namespace: string, ...command: string[]): Started
  close(): Promise<void>
}

export interface Started {
  readonly output: () => string
  stop(): Promise<string>
}

export interface WorldOptions {
  /** Path of the built executable, "dist/tortie.js". */
  readonly executable: string
  readonly folder: string
  readonly tag: string
  readonly kind: TunnelKind
}

export async function openWorld({ executable, folder, tag, kind }: WorldOptions): Promise<World> {
  const lab = `tunnel-${tag}`
  const runFolder = join(process.env['TORTIE_RUN_DIR'] ?? '/run/tortie')
  const tortie = async (...args: string[]): Promise<string> => {
    const env = { ...process.env, TORTIE_TUNNEL: kind }
    const { stdout } = await promisify(execFile)(process.execPath, [executable, ...args], { env })
    return stdout
  }
  const file = join(folder, 'topology.yaml')
  writeFileSync(file, topology(tag))
  try {
    await tortie('lab', 'up', file)
  } catch (thrown) {
    await tortie('lab', 'down', lab).catch(() => {})
    throw thrown
  }
  const machine = createLinuxMachine()
  const store = await openEtcdStore(`unix:${join(runFolder, 'labs', lab, 'store.sock')}`)
  const ports = { clock: systemClock, random: systemRandom, log: silentLog }
  const side = (name: string, end: typeof NEAR | typeof FAR): Side => ({
    node: `${name}-${tag}`,
    podNamespace: `pod-${name}-${tag}`,
    kernel: machine.openNamespace(`${name}-${tag}`),
    podKernel: machine.openNamespace(`pod-${name}-${tag}`),
    ...end,
  })
  return {
    kind,
    folder,
    near: side('near', NEAR),
    far: side('far', FAR),
    router: { namespace: `router-${tag}`, kernel: machine.openNamespace(`router-${tag}`) },
    networks: ['lan1', 'lan2'].map((name) => machine.openNamespace(`${name}-${tag}`)),
    resources: new Resources({ store, ...ports }),
    tortie,
    async status(node) {
      const said = JSON.parse(await tortie('lab', 'status', lab, '-o', 'json')) as {
        nodes: { name: string; agent: AgentStatus }[]
      }
      return said.nodes.find(({ name }) => name === node)!.agent
    },
    restartAgent: async (node) => void (await tortie('lab', 'restart', node, '--lab', lab)),
    run: runInside,
    start: startInside,
    async close() {
      store.close()
      machine.close()
      await tortie('lab', 'down', lab)
    },
  }
}

const inside = (namespace: string): string[] => [`--net=/run/netns/${namespace}`, '--']

function runInside(namespace: string, ...command: string[]): ReturnType<World['run']> {
  try {
    const args = [...inside(namespace), ...command]
    const output = execFileSync('nsenter', args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    return { output, status: 0 }
  } catch (thrown) {
    const { stdout, stderr, status } = thrown as Record<'stdout' | 'stderr', string> & {
      status: number | null
    }
    return { output: `${stdout}${stderr}`, status: status ?? -1 }
  }
}

function startInside(namespace: string, ...command: string[]): Started {
  const child = spawn('nsenter', [...inside(namespace), ...command], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text) => (output += String(text)))
  }
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  return {
    output: () => output,
    async stop() {
      child.kill('SIGINT')
      await ended
      return output
    },
  }
}

/**
 * Has all links between the nodes take TCP segments of this size, as an administrator would; answers when
 * the agents have had the pods' links follow, as far as `expected` says. Undefined where the kernel
 * does not know of it.
 */
export async function setSegments(
  { near, far, router, networks }: World,
  segmentOctets: number,
  expected = segmentOctets,
): Promise<void> {
  const isBetween = ({ name, kind }: Link): boolean =>
    kind === 'veth' && !/^(cali|tunl0)/.test(name)
  for (const kernel of [near.kernel, far.kernel, router.kernel, ...networks]) {
    for (const { index, mtu } of kernel.links().filter(isBetween)) {
      kernel.changeLink(index, { segmentOctets })
      // Of segments the kernel tells nobody; of this it does.
      kernel.changeLink(index, { mtu: mtu - 1 })
      kernel.changeLink(index, { mtu })
    }
  }
  const most = (): string =>
    [near, far].map(({ podKernel }) => podKernel.link('eth0')?.segmentOctets).join()
  const wanted = [expected, expected].join()
  await eventually('the pods’ links to follow', 10, () => most() === wanted, most)
}
