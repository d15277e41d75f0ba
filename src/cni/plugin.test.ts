import { describe, expect, it } from 'vitest'
import { type PluginOutput, runPlugin } from './plugin.ts'
import type { CniRequest, CniResult } from '../api/cni-protocol.ts'

const environment = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'c1',
  CNI_NETNS: '/run/netns/network-5z4qp',
  CNI_IFNAME: 'eth0',
  CNI_ARGS: 'K8S_POD_NAMESPACE=default;K8S_POD_NAME=network-5z4qp;IgnoreUnknown=1',
}
const configuration = { cniVersion: '1.0.0', name: 'k8s-pod-network', type: 'tortie-cni' }
const result: CniResult = {
  interfaces: [
    { name: 'cali50914021272' },
    { name: 'eth0', mac: '4e:30:25:dc:21:88', mtu: 1500, sandbox: '/run/netns/network-5z4qp' },
  ],
  ips: [{ address: '10.211.0.6/32', interface: 1 }],
  routes: [],
  dns: {},
}

async function run(change: {
  environment?: Record<string, string>
  input?: string
  configuration?: object
  answer?: (request: CniRequest) => unknown
}): Promise<{
  output: PluginOutput
  said: Record<string, unknown>
  calls: [string, CniRequest][]
}> {
  const calls: [string, CniRequest][] = []
  const output = await runPlugin({
    environment: { ...environment, ...change.environment },
    standardInput: async () =>
      change.input ?? JSON.stringify({ ...configuration, ...change.configuration }),
    async callAgent(path, request) {
      calls.push([path, request])
      return change.answer === undefined ? result : change.answer(request)
    },
  })
  const said = output.standardOutput === '' ? {} : JSON.parse(output.standardOutput)
  return { output, said: said as Record<string, unknown>, calls }
}

describe('the CNI executable', () => {
  it('hands the request on and prints the result', async () => {
    const { output, said, calls } = await run({})
    expect(output.exitCode).toBe(0)
    expect(calls[0]![0]).toBe('/run/tortie/agent.sock')
    expect(calls[0]![1]).toMatchObject({
      command: 'ADD',
      containerId: 'c1',
      arguments: { K8S_POD_NAMESPACE: 'default', K8S_POD_NAME: 'network-5z4qp' },
    })
    expect(said['cniVersion']).toBe('1.0.0')
    expect(said['ips']).toEqual([{ address: '10.211.0.6/32', interface: 1 }])
  })

  it.each([
    ['0.3.1', true, false],
    ['0.4.0', true, false],
    ['1.0.0', false, false],
    ['1.1.0', false, true],
  ])('writes the result as version %s has it', async (cniVersion, version, mtu) => {
    const { said } = await run({ configuration: { cniVersion } })
    expect('version' in (said['ips'] as object[])[0]!).toBe(version)
    expect('mtu' in (said['interfaces'] as object[])[1]!).toBe(mtu)
  })

  it('says which versions it speaks without an agent', async () => {
    const { said, calls } = await run({ environment: { CNI_COMMAND: 'VERSION' } })
    expect(said).toEqual({
      cniVersion: '1.0.0',
      supportedVersions: ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'],
    })
    expect(calls).toEqual([])
  })

  it.each(['', '{', '[]'])('says it whatever comes with the question: %j', async (input) => {
    const { said } = await run({ environment: { CNI_COMMAND: 'VERSION' }, input })
    expect(said).toMatchObject({ cniVersion: '1.1.0', supportedVersions: expect.anything() })
  })

  it('reads a configuration without a version as Calico’s plugin does', async () => {
    const { said } = await run({ configuration: { cniVersion: undefined } })
    expect(said).toMatchObject({ cniVersion: '0.2.0', ip4: { ip: '10.211.0.6/32' } })
  })

  it.each([
    [{}, 'is missing'],
    [{ 'cni.dev/valid-attachments': null }, 'is missing'],
    [{ 'cni.dev/valid-attachments': 'x' }, 'is "x"'],
    [{ 'cni.dev/valid-attachments': [null] }, 'is [null]'],
    [{ 'cni.dev/valid-attachments': [5] }, 'is [5]'],
    [{ 'cni.dev/valid-attachments': [{ containerID: 5 }] }, 'is [{"containerID":5}]'],
  ])('collects no garbage without a list of what stays: %j', async (change, message) => {
    const { said, calls } = await run({
      environment: { CNI_COMMAND: 'GC' },
      configuration: { cniVersion: '1.1.0', ...change },
    })
    expect(said).toMatchObject({ code: 7, details: expect.stringContaining('Nothing was removed') })
    expect(said['msg']).toContain(`cni.dev/valid-attachments ${message}; expected the list`)
    expect(calls).toEqual([])
  })

  it.each(['cni.dev/valid-attachments', 'cni.dev/attachments'])(
    'hands on what stays, as %s',
    async (key) => {
      const valid = [{ containerID: 'c1', ifname: 'eth0' }]
      const { calls } = await run({
        environment: { CNI_COMMAND: 'GC' },
        configuration: { cniVersion: '1.1.0', [key]: valid },
      })
      expect(calls[0]![1].configuration).toMatchObject({ 'cni.dev/valid-attachments': valid })
    },
  )

  it.each([
    [
      'a command it does not know',
      { environment: { CNI_COMMAND: 'UP' } },
      4,
      'CNI_COMMAND is "UP"',
    ],
    ['no command', { environment: { CNI_COMMAND: '' } }, 4, 'CNI_COMMAND is not set'],
    ['no container', { environment: { CNI_CONTAINERID: '' } }, 4, 'ADD needs CNI_CONTAINERID'],
    ['a container id that is a path', { environment: { CNI_CONTAINERID: '../x' } }, 4, '"../x"'],
    [
      'an impossible interface name',
      { environment: { CNI_IFNAME: 'a/b' } },
      4,
      '1 to 15 characters',
    ],
    [
      'a container id without end',
      { environment: { CNI_CONTAINERID: 'x'.repeat(5000) } },
      4,
      'has 5000 characters',
    ],
    ['a namespace by its name', { environment: { CNI_NETNS: 'pod' } }, 4, 'CNI_NETNS is "pod"'],
    ['arguments without "="', { environment: { CNI_ARGS: 'K8S' } }, 4, 'CNI_ARGS has "K8S"'],
    ['a configuration that is not JSON', { input: '{"name": ' }, 6, 'not JSON'],
    ['a configuration that is no object', { input: '[]' }, 6, 'not a JSON object'],
    ['an unknown version', { configuration: { cniVersion: '9.0.0' } }, 1, 'cniVersion is "9.0.0"'],
    [
      'an old version for GC',
      { environment: { CNI_COMMAND: 'GC' } },
      1,
      'GC needs cniVersion 1.1.0',
    ],
    ['no network name', { configuration: { name: '' } }, 7, 'name is ""'],
    ['an mtu that is none', { configuration: { mtu: 12.5 } }, 7, 'mtu is 12.5'],
    ['an mtu too small for IPv4', { configuration: { mtu: 67 } }, 7, 'mtu is 67'],
    ['an mtu that no link has', { configuration: { mtu: 65536 } }, 7, 'mtu is 65536'],
    ['a relative socket', { configuration: { agentSocket: 'a.sock' } }, 7, 'absolute path'],
  ])('refuses %s', async (_, change, code, message) => {
    const { output, said, calls } = await run(change)
    expect(output.exitCode).toBe(1)
    expect(said['code']).toBe(code)
    expect(said['msg']).toContain(message)
    expect(calls).toEqual([])
  })

  it.each([
    ['debug', 'tortie-cni: ADD c1 eth0 10.211.0.6/32\n', 'tortie-cni: 100: no\n'],
    ['INFO', 'tortie-cni: ADD c1 eth0 10.211.0.6/32\n', 'tortie-cni: 100: no\n'],
    ['error', '', 'tortie-cni: 100: no\n'],
    ['', '', ''],
  ])('tells at log_level "%s" what it does on standard error', async (level, done, failed) => {
    const change = { configuration: { log_level: level } }
    expect((await run(change)).output.standardError).toBe(done)
    const answer = (): never => {
      throw Object.assign(new Error('no'), { code: 'CNI100' })
    }
    expect((await run({ ...change, answer })).output.standardError).toBe(failed)
  })

  it('hands nothing on that it does not obey, such as a token', async () => {
    const policy = { type: 'k8s' }
    const etcd = { etcd_key_file: '/key', etcd_endpoints: 'https://u:hush@etcd:2379' }
    const { calls } = await run({ configuration: { ...etcd, policy } })
    expect(calls[0]![1].configuration).toEqual({ ...configuration, policy })
  })

  it.each([
    ['ADD', 11],
    ['STATUS', 50],
  ])('tells at %s when the agent is not there', async (command, code) => {
    const { said } = await run({
      environment: { CNI_COMMAND: command },
      configuration: { cniVersion: '1.1.0' },
      answer() {
        throw Object.assign(new Error('connect ENOENT'), { code: 'ENOENT' })
      },
    })
    expect(said).toMatchObject({ code, details: expect.stringContaining('connect ENOENT. Nobody') })
    expect(said['msg']).toContain('does "tortie agent" run on this node?')
  })

  it('passes on the code of an error that the agent answers', async () => {
    const { said } = await run({
      answer() {
        const details = 'A second ADD needs a DEL first.'
        throw Object.assign(new Error('Container c1 already has eth0'), { code: 'CNI100', details })
      },
    })
    expect(said).toMatchObject({
      code: 100,
      msg: 'Container c1 already has eth0',
      details: 'A second ADD needs a DEL first.',
    })
  })
})
