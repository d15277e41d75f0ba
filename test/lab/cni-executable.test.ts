import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { canRunLabs, say, TestLab } from './tortie.ts'

const EXECUTABLE = join(import.meta.dirname, '../../dist/tortie-cni.cjs')
/** Where a runtime looks for plugins, by the `type` of a configuration. */
const CNI_PATH = mkdtempSync(join(tmpdir(), 'tortie-cni-path-'))
const PLUGIN = join(CNI_PATH, 'tortie-cni')
const CONTAINERS = 8
const VERSIONS = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0']

interface Answer {
  readonly status: number | null
  /** The JSON document on standard output; undefined when there is none. */
  readonly said: Record<string, unknown> | undefined
}

/** The executable as a container runtime starts it, against the agent of a node of the seed. */
describe.skipIf(!canRunLabs('the CNI executable'))('the CNI executable', () => {
  const namespaces = Array.from({ length: CONTAINERS }, (_, at) => `cnix${process.pid}-${at}`)
  let lab: TestLab
  /** Namespace of the node whose agent is asked. */
  let node: string
  let before: ReturnType<typeof held>
  let published: string
  /** Containers that a test asked for, by number. */
  const added = new Set<number>()
  /** What ADD answered last, by number. */
  const results = new Map<number, Record<string, unknown>>()

  beforeAll(() => {
    lab = new TestLab('seed', `cni${process.pid}`)
    symlinkSync(EXECUTABLE, PLUGIN)
    for (const name of namespaces) ip('netns', 'add', name)
    const { nodes } = JSON.parse(say('lab', 'status', lab.name, '-o', 'json')) as {
      nodes: { name: string; namespace: string }[]
    }
    node = nodes.find(({ name }) => name === 'server01')!.namespace
    before = held()
    published = endpoints()
  })

  afterEach(async () => {
    const removed = await Promise.all([...added].map((at) => start('DEL', at).ended))
    expect(removed.filter(({ status }) => status !== 0)).toEqual([])
    added.clear()
    expect(held()).toEqual(before)
  })

  afterAll(() => {
    const after = endpoints()
    for (const name of namespaces) spawnSync('ip', ['netns', 'del', name])
    rmSync(CNI_PATH, { recursive: true })
    lab.down()
    expect(after).toBe(published)
  })

  function ip(...args: string[]): string {
    const { status, stdout, stderr } = spawnSync('ip', args, { encoding: 'utf8' })
    if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`)
    return stdout
  }

  /** All that a pod takes of the node: links and routes. */
  function held() {
    return {
      links: ip('-n', node, '-br', 'link').match(/cali\w+/g),
      routes: ip('-n', node, 'route'),
    }
  }

  /** And of the datastore. */
  const endpoints = (): string => say('get', 'wep', '-A', '-o', 'name', '--lab', lab.name)

  function configuration(cniVersion: string, change: object = {}): string {
    const agentSocket = `/run/tortie/labs/${lab.name}/nodes/server01/agent.sock`
    const network = { cniVersion, name: 'k8s-pod-network', type: 'tortie-cni', agentSocket }
    return JSON.stringify({ ...network, ...change })
  }

  function environment(command: string, at: number, change: Record<string, string> = {}) {
    return {
      PATH: process.env['PATH'],
      CNI_COMMAND: command,
      CNI_CONTAINERID: `${namespaces[at]}`,
      CNI_NETNS: `/run/netns/${namespaces[at]}`,
      CNI_IFNAME: 'eth0',
      CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=pod-${at}`,
      CNI_PATH,
      ...change,
    }
  }

  const answer = (status: number | null, text: string): Answer => ({
    status,
    said: text === '' ? undefined : (JSON.parse(text) as Record<string, unknown>),
  })

  function run(
    command: string,
    at = 0,
    change: { input?: string; env?: Record<string, string>; plugin?: string } = {},
  ): Answer {
    if (command === 'ADD') added.add(at)
    const input = change.input ?? configuration('1.1.0')
    const prevResult = command === 'CHECK' ? results.get(at) : undefined
    const { status, stdout } = spawnSync(change.plugin ?? PLUGIN, [], {
      encoding: 'utf8',
      input:
        prevResult === undefined ? input : JSON.stringify({ ...JSON.parse(input), prevResult }),
      env: environment(command, at, change.env),
      timeout: 60_000,
    })
    return kept(command, at, answer(status, stdout))
  }

  /** A runtime keeps what ADD answered, and hands it back. */
  function kept(command: string, at: number, answered: Answer): Answer {
    if (command === 'ADD' && answered.status === 0) results.set(at, answered.said!)
    return answered
  }

  function start(command: string, at: number) {
    if (command === 'ADD') added.add(at)
    const child = spawn(PLUGIN, [], { env: environment(command, at) })
    let text = ''
    child.stdout.on('data', (some: Buffer) => (text += some.toString()))
    child.stdin.on('error', () => {}) // EPIPE of one that is killed before it has read
    child.stdin.end(configuration('1.1.0'))
    const ended = once(child, 'close').then(([status]) =>
      kept(command, at, answer(status as number | null, text)),
    )
    return { child, ended }
  }

  const addressOf = ({ said }: Answer): string =>
    (said!['ips'] as { address: string }[])[0]!.address.split('/')[0]!

  it.each(['tortie', 'calico', 'tortie-cni'])('is found as %s, a link or a copy', (name) => {
    for (const [folder, put] of [
      ['links', symlinkSync],
      ['copies', copyFileSync],
    ] as const) {
      mkdirSync(join(CNI_PATH, folder), { recursive: true })
      const plugin = join(CNI_PATH, folder, name)
      put(EXECUTABLE, plugin)
      expect(run('VERSION', 0, { plugin })).toMatchObject({ status: 0 })
      expect(run('STATUS', 0, { plugin })).toEqual({ status: 0, said: undefined })
    }
  })

  it.each(['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'])(
    'attaches and detaches by %s',
    (version) => {
      const input = configuration(version)
      const added = run('ADD', 0, { input })
      expect(added).toMatchObject({
        status: 0,
        said: {
          cniVersion: version,
          interfaces: [
            { name: expect.stringMatching(/^cali[0-9a-f]{11}$/) },
            { name: 'eth0', sandbox: `/run/netns/${namespaces[0]}` },
          ],
          ips: [{ address: expect.stringMatching(/^10\.211\.0\.\d+\/32$/), interface: 1 }],
        },
      })
      const address = addressOf(added)
      expect(lab.in('network-mngxw', 'ping', '-c1', '-W2', address)).toContain('ttl=62')
      if (!version.startsWith('0.3')) {
        expect(run('CHECK', 0, { input })).toEqual({ status: 0, said: undefined })
      }
      expect(run('DEL', 0, { input })).toEqual({ status: 0, said: undefined })
      expect(ip('netns', 'exec', namespaces[0]!, 'ip', '-br', 'link')).not.toContain('eth0')
    },
  )

  it.each(['0.1.0', '0.2.0'])('attaches and detaches by %s', (version) => {
    const input = configuration(version)
    const ip4 = { ip: expect.stringMatching(/^10\.211\.0\.\d+\/32$/) }
    expect(run('ADD', 0, { input })).toMatchObject({
      status: 0,
      said: { cniVersion: version, ip4 },
    })
    expect(run('DEL', 0, { input })).toEqual({ status: 0, said: undefined })
  })

  it.each(VERSIONS)('says to %s which versions it speaks', (version) => {
    expect(run('VERSION', 0, { input: configuration(version) })).toEqual({
      status: 0,
      said: { cniVersion: version, supportedVersions: VERSIONS },
    })
  })

  it('waits for a configuration that comes late, and in pieces', async () => {
    const child = spawn(PLUGIN, [], { env: environment('VERSION', 0) })
    let text = ''
    child.stdout.on('data', (some: Buffer) => (text += some.toString()))
    const ended = once(child, 'close')
    for (const piece of ['{"cniVersion":', '"1.0.0"}']) {
      await Promise.race([delay(500), ended])
      child.stdin.write(piece)
    }
    child.stdin.end()
    await ended
    expect(JSON.parse(text)).toMatchObject({ cniVersion: '1.0.0' })
  })

  it.each([
    ['CHECK', '0.3.1'],
    ['GC', '1.0.0'],
    ['STATUS', '1.0.0'],
  ])('refuses %s to %s, which has it not', (command, version) => {
    expect(run(command, 0, { input: configuration(version) })).toMatchObject({
      status: 1,
      said: { code: 1, msg: expect.stringContaining(`${command} needs cniVersion`) },
    })
  })

  it('says that it is ready', () => {
    expect(run('STATUS')).toEqual({ status: 0, said: undefined })
  })

  it('refuses a second ADD and leaves the first as it is', () => {
    const address = addressOf(run('ADD'))
    expect(run('ADD')).toMatchObject({
      status: 1,
      said: {
        code: 100,
        msg: `Container ${namespaces[0]} already has eth0 with ${address}: a second ADD needs a DEL first`,
      },
    })
    expect(run('CHECK')).toEqual({ status: 0, said: undefined })
  })

  it('does at DEL what is left to do, and nothing is no error', () => {
    expect(run('DEL', 0, { env: { CNI_CONTAINERID: 'never-was' } })).toMatchObject({ status: 0 })
    run('ADD')
    for (let times = 0; times < 3; times++) expect(run('DEL')).toMatchObject({ status: 0 })
    run('ADD')
    const gone = { CNI_NETNS: '/run/netns/no-longer-there' }
    expect(run('DEL', 0, { env: gone })).toMatchObject({ status: 0 })
    run('ADD')
    expect(run('DEL', 0, { env: { CNI_NETNS: '' } })).toMatchObject({ status: 0 })
  })

  it.each([
    ['a configuration that is not JSON', { input: '{"name":' }, 6, 'is not JSON'],
    ['no configuration', { input: '' }, 6, 'is empty'],
    [
      'a namespace that does not exist',
      { env: { CNI_NETNS: '/run/netns/no-such' } },
      4,
      'CNI_NETNS is /run/netns/no-such, which is no network namespace',
    ],
    [
      'a file that is no namespace',
      { env: { CNI_NETNS: '/etc/hostname' } },
      4,
      'CNI_NETNS is /etc/hostname, which is no network namespace',
    ],
    [
      'a name that makes no interface',
      { env: { CNI_IFNAME: 'sixteen-letters-' } },
      4,
      'CNI_IFNAME is "sixteen-letters-"; expected 1 to 15 characters',
    ],
    ['an interface that the namespace has', { env: { CNI_IFNAME: 'lo' } }, 100, 'interface lo'],
  ])('refuses %s with one message and leaves nothing', (_, change, code, message) => {
    expect(run('ADD', 0, change)).toMatchObject({
      status: 1,
      said: { code, msg: expect.stringContaining(message) },
    })
    expect(held()).toEqual(before)
  })

  it('leaves the namespace of the node itself as it is', () => {
    expect(run('ADD', 0, { env: { CNI_NETNS: `/run/netns/${node}` } })).toMatchObject({
      status: 1,
      said: { code: 8, msg: expect.stringContaining('the network namespace of the node itself') },
    })
    expect(held()).toEqual(before)
  })

  it.each([
    ['outside of all pools', '192.0.2.1', 7, '192.0.2.1'],
    ['that another pod has', '10.211.0.6', 101, '10.211.0.6'],
    ['of the node', '172.16.170.128', 101, 'one of node server01 itself'],
    ['of another node', '172.16.170.129', 101, 'one of node server02 itself'],
    ['that is none', '10.211.0', 7, 'args.cni.ips is ["10.211.0"]'],
  ])('refuses a fixed address %s', (_, address, code, message) => {
    const args = { cni: { ips: [address] } }
    expect(run('ADD', 0, { input: configuration('1.1.0', { args }) })).toMatchObject({
      status: 1,
      said: { code, msg: expect.stringContaining(message) },
    })
    expect(held()).toEqual(before)
  })

  it('tells at CHECK what a hand has broken', () => {
    run('ADD')
    ip('netns', 'exec', namespaces[0]!, 'ip', 'link', 'del', 'eth0')
    expect(run('CHECK')).toMatchObject({
      status: 1,
      said: { msg: expect.stringContaining('eth0 is missing in the pod') },
    })
  })

  it.each([
    ['a pool that is not there', { ipam: { ipv4_pools: ['blue'] } }, 7, 'there is no IPPool blue'],
    ['another node', { nodename: 'server02' }, 7, 'nodename is "server02"; expected "server01"'],
    ['an IPAM that is not ours', { ipam: { type: 'dhcp' } }, 2, 'ipam.type is "dhcp"'],
    ['a field that is none', { ipma: {} }, 2, 'ipma is {}, which is not supported'],
  ])('refuses %s, and says at STATUS that it would', (_, change, code, message) => {
    const input = configuration('1.1.0', change)
    const said = { code, msg: expect.stringContaining(message) }
    expect(run('ADD', 0, { input })).toMatchObject({ status: 1, said })
    const status = code === 2 ? said : { ...said, code: 50 }
    expect(run('STATUS', 0, { input })).toMatchObject({ status: 1, said: status })
  })

  it('attaches containers of any legal name, and several interfaces of each', () => {
    const asks = ['web-', 'condescending_elbakyan', 'My.App_1'].map((name, at) => ({
      at,
      env: { CNI_CONTAINERID: name, CNI_ARGS: '' },
    }))
    for (const { at, env } of asks) {
      expect(run('ADD', at, { env })).toMatchObject({ status: 0 })
      expect(run('CHECK', at, { env })).toEqual({ status: 0, said: undefined })
      const second = { ...env, CNI_IFNAME: 'net1' }
      expect(run('ADD', at, { env: second })).toMatchObject({ status: 0 })
      expect(ip('netns', 'exec', namespaces[at]!, 'ip', '-br', 'addr')).toContain('net1@')
      expect(run('DEL', at, { env: second })).toMatchObject({ status: 0 })
    }
    for (const { at, env } of asks) expect(run('DEL', at, { env })).toMatchObject({ status: 0 })
    expect(held()).toEqual(before)
  })

  it('gives what the runtime asks for: an address and a MAC address', () => {
    const runtimeConfig = { ips: ['10.211.0.99/32'], mac: '02:aa:bb:cc:dd:01' }
    const given = run('ADD', 0, { input: configuration('1.1.0', { runtimeConfig }) })
    expect(addressOf(given)).toBe('10.211.0.99')
    expect(ip('-n', namespaces[0]!, 'link', 'show', 'eth0')).toContain('02:aa:bb:cc:dd:01')
    expect(lab.in('network-mngxw', 'ping', '-c1', '-W2', '10.211.0.99')).toContain('ttl=62')
    expect(run('CHECK')).toEqual({ status: 0, said: undefined })
  })

  it('attaches many at once, each with an address of its own', async () => {
    const answers = await Promise.all(namespaces.map((_, at) => start('ADD', at).ended))
    expect(answers.map(({ status }) => status)).toEqual(namespaces.map(() => 0))
    expect(new Set(answers.map(addressOf)).size).toBe(CONTAINERS)
  })

  it('attaches a container once, however many ask for it at once', async () => {
    const answers = await Promise.all([1, 2, 3].map(() => start('ADD', 0).ended))
    expect(answers.map(({ status }) => status).sort((a, b) => Number(a) - Number(b))).toEqual([
      0, 1, 1,
    ])
    expect(run('CHECK')).toMatchObject({ status: 0 })
  })

  it('collects at GC what the runtime no longer knows', () => {
    run('ADD', 0)
    run('ADD', 1)
    // The lab's own pods are attachments of the same network.
    const endpoints = JSON.parse(say('get', 'wep', '-A', '-o', 'json', '--lab', lab.name)) as {
      items: { spec: { node: string; containerID: string } }[]
    }
    const others = endpoints.items
      .map(({ spec }) => ({ containerID: spec.containerID, ifname: 'eth0' }))
      .filter(({ containerID }) => containerID !== namespaces[0])
    const input = configuration('1.1.0', { 'cni.dev/valid-attachments': others })
    expect(run('GC', 0, { input })).toEqual({ status: 0, said: undefined })
    expect(run('CHECK', 0)).toMatchObject({ status: 1, said: { code: 3 } })
    expect(run('CHECK', 1)).toMatchObject({ status: 0 })
  })

  it('may be killed half way: DEL leaves nothing', async () => {
    const steps = [
      () => true,
      // The agent has made the host end: what it answers finds nobody.
      () => held().links!.length > before.links!.length,
    ]
    for (const step of steps) {
      const { child, ended } = start('ADD', 0)
      await expect.poll(step, { interval: 1, timeout: 10_000 }).toBe(true)
      child.kill('SIGKILL')
      await ended
      expect(run('DEL')).toMatchObject({ status: 0 })
      expect(held()).toEqual(before)
    }
  })

  it('tells while the datastore is away, takes away what is to go, and gives it back later', async () => {
    run('ADD', 0)
    const { programs } = JSON.parse(say('lab', 'status', lab.name, '-o', 'json')) as {
      programs: { pid: number; what: string }[]
    }
    const { pid } = programs.find(({ what }) => what === 'store')!
    process.kill(pid, 'SIGSTOP')
    try {
      const msg = expect.stringContaining('The datastore does not answer')
      expect(run('ADD', 1)).toMatchObject({ status: 1, said: { code: 11, msg } })
      expect(run('STATUS')).toMatchObject({ status: 1, said: { code: 50, msg } })
      expect(run('CHECK', 0)).toEqual({ status: 0, said: undefined })
      expect(run('DEL', 0)).toEqual({ status: 0, said: undefined })
      expect(ip('netns', 'exec', namespaces[0]!, 'ip', '-br', 'link')).not.toContain('eth0')
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    const published = (): string => say('get', 'wep', '-A', '-o', 'name', '--lab', lab.name)
    await expect.poll(published, { interval: 200, timeout: 60_000 }).not.toContain('pod--0')
    await expect.poll(() => run('STATUS').status, { interval: 200, timeout: 60_000 }).toBe(0)
    expect(run('ADD', 1)).toMatchObject({ status: 0 })
  })

  it('tells when the agent is gone, and works again when it is back', () => {
    run('ADD')
    const status = JSON.parse(say('lab', 'status', lab.name, '-o', 'json')) as {
      programs: { pid: number; what: string }[]
    }
    process.kill(status.programs.find(({ what }) => what === 'agent server01')!.pid, 'SIGKILL')
    for (const [command, code] of Object.entries({ ADD: 11, DEL: 11, CHECK: 11, STATUS: 50 })) {
      expect(run(command, command === 'ADD' ? 1 : 0)).toMatchObject({
        status: 1,
        said: { code, msg: expect.stringContaining('does "tortie agent" run on this node?') },
      })
    }
    say('lab', 'restart', 'server01', '--lab', lab.name)
    expect(run('CHECK')).toEqual({ status: 0, said: undefined })
  })
})
