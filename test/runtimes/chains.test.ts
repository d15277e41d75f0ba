import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { canRunLabs } from '../lab/tortie.ts'
import { RuntimeHost, unpackedRoots } from './runtime-host.ts'

const what = 'plugins of CNI behind ours'
const roots = canRunLabs(what)
  ? unpackedRoots('containernetworking-plugins', 'iptables', 'busybox-static')
  : { missing: 'it needs a lab' }
if ('missing' in roots) console.log(`${what}: skipped, ${roots.missing}`)

type Json = Record<string, unknown>

/** A runtime as the specification has it (section 3): chains, prevResult, DEL the other way round. */
describe.skipIf('missing' in roots)('a chain of plugins', () => {
  const pod = `chain${process.pid}`
  let host: RuntimeHost
  let chain: readonly Json[] = []
  let result: Json | undefined

  beforeAll(() => {
    host = new RuntimeHost('chn', roots, [])
    ip('netns', 'add', pod)
  })
  afterEach(() => {
    remove()
    expect(host.left()).toEqual([])
  })
  afterAll(async () => {
    spawnSync('ip', ['netns', 'del', pod])
    await host.close()
  })

  function ip(...args: readonly string[]): string {
    const { status, stdout, stderr } = spawnSync('ip', args, { encoding: 'utf8' })
    if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`)
    return stdout
  }
  const inPod = (...args: readonly string[]): string => ip('netns', 'exec', pod, ...args)

  function call(command: string, plugin: Json, change: Json): Json | undefined {
    const input = { cniVersion: '1.0.0', name: 'k8s-pod-network', ...plugin, ...change }
    const environment = {
      CNI_COMMAND: command,
      CNI_CONTAINERID: pod,
      CNI_NETNS: `/run/netns/${pod}`,
      CNI_IFNAME: 'eth0',
      CNI_PATH: '/opt/cni/bin',
    }
    const executable = `/opt/cni/bin/${String(plugin['type'])}`
    const { status, stdout } = host.tell(JSON.stringify(input), environment, executable)
    if (status !== 0) throw new Error(`${command} of ${String(plugin['type'])}: ${stdout}`)
    return stdout === '' ? undefined : (JSON.parse(stdout) as Json)
  }

  function add(...behind: readonly Json[]): void {
    const own = { type: 'tortie-cni', agentSocket: join(host.state, 'agent.sock') }
    chain = [own, ...behind]
    for (const plugin of chain) {
      result = call('ADD', plugin, result === undefined ? {} : { prevResult: result })
    }
  }
  const check = (): void => {
    for (const plugin of chain) call('CHECK', plugin, { prevResult: result })
  }
  function remove(): void {
    for (const plugin of chain.toReversed()) call('DEL', plugin, { prevResult: result })
    chain = []
    result = undefined
  }
  const ping = (): string => inPod('ping', '-c1', '-W2', '10.211.1.4')

  it.each([
    ['tuning', { mac: '02:00:00:00:00:09', mtu: 1300, sysctl: { 'net.core.somaxconn': '500' } }],
    ['bandwidth', { ingressRate: 8_000_000, ingressBurst: 8_000_000 }],
    ['firewall', { backend: 'iptables' }],
  ])('with %s behind passes its CHECK, and talks', (type, fields) => {
    add({ type, ...fields })
    check()
    expect(ping()).toContain('ttl=62')
    expect(result).toMatchObject({ ips: [{ address: expect.any(String), gateway: '169.254.1.1' }] })
  })

  it('with routes by source keeps the pod’s default route', () => {
    add({ type: 'sbr' })
    const [{ address }] = result!['ips'] as [{ address: string }]
    const source = address.split('/')[0]!
    expect(inPod('ip', 'route', 'get', '10.211.1.4', 'from', source)).toContain('via 169.254.1.1')
    expect(inPod('ping', '-c1', '-W2', '-I', source, '10.211.1.4')).toContain('ttl=62')
    call('CHECK', chain[0]!, { prevResult: result })
  })

  it('with a port of the node leads to the pod', () => {
    const portMappings = [{ hostPort: 8082, containerPort: 80, protocol: 'tcp' }]
    add({ type: 'portmap', runtimeConfig: { portMappings } })
    const rules = host.run('iptables', '-t', 'nat', '-S')
    expect(rules).toContain('--dport 8082')
  })
})
