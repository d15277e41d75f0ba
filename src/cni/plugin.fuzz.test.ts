import fc from 'fast-check'
import { expect, it } from 'vitest'
import { AGENT_PARAMS } from '../api/params-schemas.ts'
import { checkedMethods } from '../api/checked-methods.ts'
import type { AgentApi } from '../api/methods.ts'
import { CNI_COMMANDS, CNI_ERROR } from '../api/cni-protocol.ts'
import { RpcClient, serveRpc, streamPair } from '../lib/rpc.ts'
import { VirtualClock } from '../lib/clock.ts'
import { CONFIGURATION_FIELDS } from './configuration-fields.ts'
import { runPlugin } from './plugin.ts'
import { cniNode } from './testing/cni-node.ts'

const CALLS = 2_500
/** A runtime tells the plugin of these; a defect is told of by 999. */
const CODES = Object.values(CNI_ERROR).filter((code) => code !== CNI_ERROR.internal)
/** What only the language that the plugin is written in would say. */
const OF_JAVASCRIPT =
  /TypeError|RangeError|is not a function|is not iterable|undefined|destructure|Cannot read|\[object|\bat .*:\d+:\d+/

const names = [
  'c1',
  'c2',
  'web-',
  'Abc_DEF.1',
  'a'.repeat(250),
  'a'.repeat(5_000),
  'a'.repeat(4_000),
  '-',
  '../x',
  '',
  'ü',
]
const environment = fc.record(
  {
    CNI_COMMAND: fc.oneof(
      { weight: 20, arbitrary: fc.constantFrom(...CNI_COMMANDS) },
      { weight: 1, arbitrary: fc.string() },
    ),
    CNI_CONTAINERID: fc.constantFrom(...names),
    CNI_NETNS: fc.constantFrom('/run/netns/p0', '/run/netns/p1', '/run/netns/none', '', 'x\0y'),
    CNI_IFNAME: fc.constantFrom('eth0', 'eth1', 'lo', '-', 'Eth_0', 'a/b', '', 'ethéé'),
    CNI_ARGS: fc.oneof(
      fc.constantFrom(
        '',
        ';;',
        'x',
        'IP=10.211.0.9',
        'IP=;MAC=',
        'IP=a,b',
        'MAC=02:00:00:00:00:01',
        'K8S_POD_NAMESPACE=default;K8S_POD_NAME=web',
        'K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-',
        'K8S_POD_NAMESPACE=A B;K8S_POD_NAME=../..',
        '__proto__=1;constructor=2',
      ),
      fc.string(),
    ),
  },
  { requiredKeys: [] },
)

const leaf = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    '',
    'x',
    0,
    1,
    -1,
    1.5,
    true,
    [],
    {},
    [[]],
    [null],
    ['10.211.0.7'],
  ),
  fc.jsonValue() as fc.Arbitrary<unknown>,
)
const key = fc.oneof(
  fc.constantFrom(...Object.keys(CONFIGURATION_FIELDS).flatMap((path) => path.split('.'))),
  fc.constantFrom('cni.dev/valid-attachments', 'cni.dev/attachments', '__proto__', 'interfaces'),
)
const { tree } = fc.letrec<{ tree: Record<string, unknown> }>((tie) => ({
  tree: fc.dictionary(key, fc.oneof({ maxDepth: 2 }, leaf, tie('tree')), { maxKeys: 4 }),
}))
const configuration = fc
  .record({
    cniVersion: fc.constantFrom('1.1.0', '1.0.0', '0.2.0', '9', 5),
    name: fc.constantFrom('net', 'net', 'net', 'other', '', 5),
    type: fc.constantFrom('tortie-cni', 'tortie-cni', '', 5),
    valid: fc.constantFrom<object | undefined>(
      [],
      [{ containerID: 'c1', ifname: 'eth0' }],
      undefined,
    ),
    more: fc.oneof(fc.constant({}), tree),
  })
  .map(({ valid, more, ...rest }) =>
    JSON.stringify({ ...more, ...rest, ...(valid && { 'cni.dev/valid-attachments': valid }) }),
  )
const input = fc.oneof(
  { weight: 20, arbitrary: configuration },
  { weight: 1, arbitrary: fc.string() },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '[',
      '{',
      'null',
      '"x"',
      '['.repeat(100_000),
      `{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}`,
      '{"a":'.repeat(50_000),
    ),
  },
)

it(`answers ${CALLS} calls of any kind by the specification, and keeps nothing that cannot be deleted`, async () => {
  const node = cniNode(['p0', 'p1'])
  const methods = checkedMethods<Pick<AgentApi, 'cni'>>(
    { cni: AGENT_PARAMS.cni },
    { cni: (request) => node.service().handle(request) },
  )
  const callAgent = (_: string, request: unknown): Promise<unknown> => {
    const [theirs, ours] = streamPair()
    serveRpc(theirs, methods)
    return new RpcClient(ours, new VirtualClock(), 'the agent').call('cni', request)
  }
  const seen = new Set<string>()
  await fc.assert(
    fc.asyncProperty(environment, input, async (variables, text) => {
      const { standardOutput, exitCode } = await runPlugin({
        environment: variables,
        standardInput: async () => text,
        callAgent,
      })
      const command = variables.CNI_COMMAND ?? ''
      if (exitCode === 0) {
        seen.add(`${command} done`)
        const says = command === 'ADD' || command === 'VERSION'
        expect(standardOutput === '').toBe(!says)
        return
      }
      const { cniVersion, code, msg, details } = JSON.parse(standardOutput) as Record<
        string,
        string
      >
      expect(CODES).toContain(code)
      expect([typeof cniVersion, typeof msg, typeof details]).toEqual([
        'string',
        'string',
        'string',
      ])
      expect(`${msg} ${details}`).not.toMatch(OF_JAVASCRIPT)
      if (command === 'DEL') expect([1, 4, 6, 7]).toContain(code)
      seen.add(`${command} ${code}`)
    }),
    { numRuns: CALLS, seed: 1 },
  )
  for (const what of [
    'ADD done',
    'DEL done',
    'GC done',
    'STATUS done',
    'ADD 2',
    'ADD 4',
    'ADD 7',
  ]) {
    expect([...seen]).toContain(what)
  }
  for (const { containerId, interfaceName, network } of node.attachments.list()) {
    const configuration = { cniVersion: '1.1.0', name: network, type: 'tortie-cni' }
    const { exitCode } = await runPlugin({
      environment: { CNI_COMMAND: 'DEL', CNI_CONTAINERID: containerId, CNI_IFNAME: interfaceName },
      standardInput: async () => JSON.stringify(configuration),
      callAgent,
    })
    expect(exitCode).toBe(0)
  }
  expect(node.attachments.list()).toEqual([])
  expect(node.leftOver()).toEqual([])
})
