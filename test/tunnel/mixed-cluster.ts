import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog } from '../../src/lib/log.ts'
import { chooseNames } from '../../src/lab/lab-names.ts'
import { parseTopology } from '../../src/lab/parse-topology.ts'
import { planLab } from '../../src/lab/plan.ts'
import { systemClock } from '../../src/platform/node/clock.ts'
import { systemRandom } from '../../src/platform/node/random.ts'
import { MemoryStore } from '../../src/store/memory-store.ts'
import { Resources } from '../../src/store/resources.ts'
import { eventually } from '../support/command.ts'
import { Namespaces } from '../support/namespaces.ts'
import { peerEnvironment } from '../support/peer-packages.ts'
import { OUT, UserModeLinux } from '../support/user-mode-linux.ts'

const DIST = join(import.meta.dirname, '../../dist')
/** Where the agent in user mode keeps its things. */
const GUEST_FOLDER = '/run/tortie'
const AS_NUMBER = 64512
const POD_CIDR = '10.214.0.0/16'
const POLICY =
  'net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0'

/** How a node's tunnel is made, and by whom it is run. */
export const SITES = ['programs', 'module', 'bird2', 'bird'] as const
export type SiteName = (typeof SITES)[number]
/** Nodes that Tortie has no part in: Debian's BIRD 2, and BIRD 1.6, of which Calico runs a fork. */
const BIRDS = ['bird2', 'bird'] as const
type BirdName = (typeof BIRDS)[number]
/** The folder that each BIRD is unpacked in. */
export type BirdRoots = Readonly<Record<BirdName, string>>

export interface Site {
  readonly address: string
  readonly pod: string
  /** Runs lines of shell on the node or in its pod; answers what they print, throws when they fail. */
  onNode(script: string): Promise<string>
  inPod(script: string): Promise<string>
}

/**
 * Four nodes, each in a network of its own behind one router, all in BGP with each other:
 *
 *     programs: a namespace of this machine, Tortie's agent, tunl0 by eBPF
 *     module:   Linux 6.1 in user mode, Tortie's agent, tunl0 of the ipip module
 *     bird2:    Linux 6.1 in user mode, Debian's BIRD 2, tunl0 by hand
 *     bird:     the same with BIRD 1.6
 *
 * The datastore is an etcd in the router's namespace.
 */
export class MixedCluster {
  /** There when {@link up} has answered. */
  sites!: Readonly<Record<SiteName, Site>>
  readonly #namespaces = new Namespaces('mixed')
  readonly #router: string
  /** Of the node with programs. */
  readonly #pod: string
  readonly #folder = mkdtempSync(join(tmpdir(), 'tortie-mixed-'))
  readonly #kernels: UserModeLinux[] = []
  readonly #logs: (() => string)[] = []

  private constructor() {
    this.#router = this.#namespaces.add('router')
    this.#pod = this.#namespaces.add('pod')
  }

  static async up(roots: BirdRoots): Promise<MixedCluster> {
    const cluster = new MixedCluster()
    try {
      await cluster.#build(roots)
      return cluster
    } catch (thrown) {
      const logs = cluster.#logs.map((log) => log()).join('\n')
      await cluster.close()
      throw new Error(`The cluster did not come up:\n${logs}`, { cause: thrown })
    }
  }

  /** Runs a program in the router, by which every packet between nodes passes. */
  onRouter(program: string, ...args: string[]) {
    return this.#namespaces.spawn(this.#router, program, args)
  }

  /** Starts a program in the pod of the node with programs. */
  besidePrograms(program: string, ...args: string[]) {
    return this.#namespaces.spawn(this.#pod, program, args)
  }

  async close(): Promise<void> {
    await Promise.all(this.#kernels.map((kernel) => kernel.close()))
    this.#namespaces.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #build(roots: BirdRoots): Promise<void> {
    const namespaces = this.#namespaces
    namespaces.run(this.#router, 'sysctl', ['-q', '-w', ...POLICY.split(' ')])
    const host = namespaces.add('node')
    namespaces.join(
      { namespace: this.#router, interface: 'net1', addresses: [`${routerOf('programs')}/24`] },
      { namespace: host, interface: 'ens33', addresses: [`${addressOf('programs')}/24`] },
    )
    for (const name of GUESTS) {
      namespaces.batch(this.#router, [
        `tuntap add ${linkTo(name)} mode tap`,
        `addr add ${routerOf(name)}/24 dev ${linkTo(name)}`,
        `link set ${linkTo(name)} up`,
      ])
    }
    await this.#startStore()
    const { module, bird2, bird } = await this.#bootGuests()
    this.sites = {
      programs: this.#hostSite(host),
      module: guestSite('module', module),
      bird2: guestSite('bird2', bird2),
      bird: guestSite('bird', bird),
    }
    this.#startHostAgent(host)
    this.#logs.push(() => agentLog(module))
    await Promise.all([
      startGuestAgent(module),
      startBird('bird2', bird2, roots.bird2),
      startBird('bird', bird, roots.bird),
    ])
    await this.#attach('programs', this.#folder)
    await this.#attach('module', GUEST_FOLDER)
  }

  async #bootGuests(): Promise<Record<GuestName, UserModeLinux>> {
    const boot = (name: GuestName): Promise<UserModeLinux> =>
      UserModeLinux.start({ network: { namespace: this.#router, tap: linkTo(name) } })
    const started = await Promise.allSettled(GUESTS.map(boot))
    for (const one of started) if (one.status === 'fulfilled') this.#kernels.push(one.value)
    for (const one of started) if (one.status === 'rejected') throw one.reason
    const [module, bird2, bird] = this.#kernels as [UserModeLinux, UserModeLinux, UserModeLinux]
    return { module, bird2, bird }
  }

  #hostSite(host: string): Site {
    const run = (namespace: string) => (script: string) =>
      Promise.resolve(this.#namespaces.run(namespace, 'sh', ['-c', script]))
    this.#namespaces.run(host, 'sh', ['-c', settle('programs', 'ens33')])
    return {
      address: addressOf('programs'),
      pod: podOf('programs'),
      onNode: run(host),
      inPod: run(this.#pod),
    }
  }

  #startHostAgent(host: string): void {
    const child = this.#namespaces.spawn(
      host,
      process.execPath,
      agentArguments('programs', this.#folder),
    )
    let log = ''
    for (const stream of [child.stdout!, child.stderr!])
      stream.on('data', (text) => (log += String(text)))
    this.#logs.push(() => log)
  }

  /** What a container runtime does: the CNI executable, again as long as the agent is not ready. */
  async #attach(name: SiteName, agentFolder: string): Promise<void> {
    const site = this.sites[name]
    const configuration = {
      cniVersion: '1.1.0',
      name: 'k8s-pod-network',
      type: 'tortie-cni',
      agentSocket: join(agentFolder, 'agent.sock'),
      args: { cni: { ips: [podOf(name)] } },
    }
    const namespace = await site.inPod('ip netns identify')
    const script =
      `echo '${JSON.stringify(configuration)}' | ` +
      `CNI_COMMAND=ADD CNI_CONTAINERID=pod-${name} CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin ` +
      `CNI_NETNS=/run/netns/${namespace.trim()} ` +
      `CNI_ARGS='IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=pod-${name}' ` +
      `${process.execPath} ${DIST}/tortie-cni.cjs`
    let said = ''
    await eventually(
      `the pod of ${name}`,
      10,
      async () => {
        try {
          await site.onNode(script)
          return true
        } catch (thrown) {
          said = String(thrown)
          return false
        }
      },
      () => said,
    )
  }

  async #startStore(): Promise<void> {
    const url = 'http://0.0.0.0:2379'
    const child = this.#namespaces.spawn(this.#router, 'etcd', [
      `--data-dir=${join(this.#folder, 'etcd')}`,
      `--listen-client-urls=${url}`,
      `--advertise-client-urls=${url}`,
      '--listen-peer-urls=http://127.0.0.1:2380',
      '--logger=zap',
    ])
    let log = ''
    child.stderr!.on('data', (text) => (log += String(text)))
    const put = (key: string, value: string): string =>
      this.#namespaces.run(
        this.#router,
        'env',
        ['ETCDCTL_API=3', 'etcdctl', '--dial-timeout=1s', 'put', key],
        value,
      )
    const rows = await seedRows()
    await eventually(
      'etcd',
      15,
      () => {
        try {
          return put('/probe', '1') !== ''
        } catch {
          return false
        }
      },
      () => log.slice(-2000),
    )
    for (const { key, value } of rows) put(key, value)
  }
}

/** Nodes that are kernels of their own. */
const GUESTS = ['module', ...BIRDS] as const
type GuestName = (typeof GUESTS)[number]

/** The router's link to a node. */
export const linkTo = (name: SiteName): string => `net${numberOf(name)}`
const numberOf = (name: SiteName): number => SITES.indexOf(name) + 1
const addressOf = (name: SiteName): string => `172.31.${numberOf(name)}.10`
const routerOf = (name: SiteName): string => `172.31.${numberOf(name)}.1`
const blockOf = (name: SiteName): string => `10.214.${numberOf(name)}.0/24`
const podOf = (name: SiteName): string => `10.214.${numberOf(name)}.5`

/** Lines of shell that make a machine a host of its network; links are there already. */
function settle(name: SiteName, link: string): string {
  return [
    `sysctl -q -w ${POLICY}`,
    `ip addr replace ${addressOf(name)}/24 dev ${link}`,
    `ip link set ${link} up`,
    `ip route replace 172.31.0.0/16 via ${routerOf(name)}`,
  ].join('\n')
}

function agentArguments(name: SiteName, folder: string): string[] {
  const store = `http://${routerOf(name)}:2379`
  const places = ['--state-dir', join(folder, 'state'), '--socket', join(folder, 'agent.sock')]
  const tunnel = ['--tunnel', name === 'programs' ? 'ebpf' : 'kernel']
  return [join(DIST, 'tortie.js'), 'agent', '--node', name, '--store', store, ...places, ...tunnel]
}

function guestSite(name: SiteName, kernel: UserModeLinux): Site {
  return {
    address: addressOf(name),
    pod: podOf(name),
    onNode: (script) => kernel.say(script),
    inPod: (script) => kernel.say(`ip netns exec pod sh -c '${script}'`),
  }
}

function agentLog({ folder, console }: UserModeLinux): string {
  const path = join(folder, 'agent.log')
  return existsSync(path) ? readFileSync(path, 'utf8') : console
}

async function startGuestAgent(kernel: UserModeLinux): Promise<void> {
  const command = [process.execPath, ...agentArguments('module', GUEST_FOLDER)].join(' ')
  await kernel.say(`${settle('module', 'vec0')}
ip netns add pod
mkdir -p ${GUEST_FOLDER}
${command} > ${OUT}/agent.log 2>&1 &`)
}

/** The node that Tortie has no part in: its tunnel, its pod and its routes by tools of Debian's. */
async function startBird(name: BirdName, kernel: UserModeLinux, root: string): Promise<void> {
  const configuration = { bird2: bird2Configuration, bird: bird1Configuration }[name]()
  writeFileSync(join(kernel.folder, 'bird.conf'), configuration)
  const { LD_LIBRARY_PATH = '' } = peerEnvironment('/run/peer')
  const gateway = blockOf(name).replace('0/24', '254')
  await kernel.say(`${settle(name, 'vec0')}
modprobe ipip
ip link set tunl0 mtu 1480 up
ip addr add ${blockOf(name).replace('0/24', '1/32')} dev tunl0
${name === 'bird' ? tunnelEndsByHand() : ''}
ip netns add pod
ip link add pod0 type veth peer name eth0 netns pod
ip addr add ${gateway}/24 dev pod0
ip link set pod0 up
ip -n pod addr add ${podOf(name)}/24 dev eth0
ip -n pod link set eth0 up
ip -n pod route add default via ${gateway}
mkdir /run/peer
mount -t hostfs none /run/peer -o ${root}
LD_LIBRARY_PATH=${LD_LIBRARY_PATH} /run/peer/usr/sbin/bird -c ${OUT}/bird.conf -s /run/bird.ctl`)
}

/** The other nodes, as one of them sees them. */
const othersOf = (name: SiteName): string[] => SITES.filter((one) => one !== name).map(addressOf)

const bgpSessions = (name: BirdName): string =>
  othersOf(name)
    .map(
      (address, at) =>
        `protocol bgp node${at} from nodes {\n  neighbor ${address} as ${AS_NUMBER};\n}`,
    )
    .join('\n')

/**
 * BIRD has no word for a tunnel: next hops are resolved in a table of their own, in which every other
 * node is behind tunl0.
 */
function bird2Configuration(): string {
  const ends = othersOf('bird2').map(
    (address) => `  route ${address}/32 via ${address}%tunl0 onlink;`,
  )
  return `router id ${addressOf('bird2')};
ipv4 table ends;
protocol device { }
protocol static own { ipv4; route ${blockOf('bird2')} blackhole; }
protocol static tunnel_ends {
  ipv4 { table ends; };
${ends.join('\n')}
}
protocol kernel { ipv4 { import none; export where source = RTS_BGP; }; }
template bgp nodes {
  local ${addressOf('bird2')} as ${AS_NUMBER};
  multihop;
  connect delay time 1;
  ipv4 { igp table ends; import all; export where proto = "own"; next hop self; };
}
${bgpSessions('bird2')}
`
}

/** The same in the words of BIRD 1.6, which does not know "onlink" either. */
function bird1Configuration(): string {
  const ends = othersOf('bird').map((address) => `  route ${address}/32 via "tunl0";`)
  return `router id ${addressOf('bird')};
table ends;
protocol device { }
protocol static own { route ${blockOf('bird')} blackhole; }
protocol static tunnel_ends {
  table ends;
${ends.join('\n')}
}
protocol kernel { import none; export where source = RTS_BGP; }
template bgp nodes {
  local ${addressOf('bird')} as ${AS_NUMBER};
  multihop;
  connect delay time 1;
  igp table ends;
  import all;
  export where proto = "own";
  next hop self;
}
${bgpSessions('bird')}
`
}

/**
 * So its kernel is told that the other nodes are on tunl0, and in a table that is asked before, where they
 * are for everything else, the tunnel's own outer headers included.
 */
function tunnelEndsByHand(): string {
  const router = routerOf('bird')
  return [
    `ip route add 172.31.0.0/16 via ${router} dev vec0 table 100`,
    'ip rule add to 172.31.0.0/16 lookup 100',
    ...othersOf('bird').map((address) => `ip route add ${address} dev tunl0 scope link`),
  ].join('\n')
}

/** What an installation would have put into the datastore: three nodes, one pool. */
async function seedRows() {
  const topology = parseTopology(
    JSON.stringify({
      name: 'mixed',
      networks: SITES.map((name) => ({
        name: `lan-${name}`,
        cidr: `172.31.${numberOf(name)}.0/24`,
      })),
      nodes: SITES.map((name) => ({
        name,
        interfaces: [{ name: 'ens33', network: `lan-${name}`, address: `${addressOf(name)}/24` }],
        podCIDR: blockOf(name),
      })),
      routers: [
        {
          name: 'router',
          interfaces: SITES.map((name, at) => ({
            name: `net${at + 1}`,
            network: `lan-${name}`,
            address: `${routerOf(name)}/24`,
          })),
        },
      ],
      pools: [{ name: 'pods', cidr: POD_CIDR, blockSize: 24, ipipMode: 'CrossSubnet' }],
      bgp: { asNumber: AS_NUMBER },
    }),
    'mixed.yaml',
  )
  const store = new MemoryStore()
  const client = new Resources({ store, clock: systemClock, random: systemRandom, log: silentLog })
  for (const draft of planLab(topology, chooseNames('mixed', topology, new Set())).resources) {
    await client.create(draft)
  }
  const { rows } = await store.list('/')
  return rows
}
