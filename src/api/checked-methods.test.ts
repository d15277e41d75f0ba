import { describe, expect, it } from 'vitest'
import { checkedMethods } from './checked-methods.ts'
import type { CniRequest } from './cni-protocol.ts'
import type { AgentApi, Handlers } from './methods.ts'
import { AGENT_PARAMS } from './params-schemas.ts'

/** An agent that answers with what reached it. */
const handlers = new Proxy({} as Handlers<AgentApi>, {
  get: () => (params: unknown) => Promise.resolve(params),
})
const methods = checkedMethods<AgentApi>(AGENT_PARAMS, handlers)

const ADD: CniRequest = {
  command: 'ADD',
  containerId: 'c1',
  networkNamespace: '/run/netns/c1',
  interfaceName: 'eth0',
  arguments: { K8S_POD_NAME: 'web' },
  configuration: { cniVersion: '1.1.0', name: 'net', type: 'tortie-cni' },
}

describe('what a stranger sends to the socket', () => {
  it('reaches the handler when it is as it must be', async () => {
    expect(await methods.cni(ADD)).toEqual(ADD)
    expect(await methods.status({})).toEqual({})
    expect(await methods.status(undefined)).toEqual({})
  })

  it('may have fields that this version does not know', async () => {
    expect(await methods.cni({ ...ADD, later: 1 })).toEqual(ADD)
    expect(await methods.status({ later: 1 })).toEqual({})
  })

  it.each([
    ['status', 'now', 'status: the whole is "now": expected a map of fields'],
    ['cni', null, 'cni: the whole is empty: expected a map of fields'],
    ['cni', { ...ADD, command: 'STOP' }, 'cni: command is "STOP": expected one of'],
    ['cni', { ...ADD, containerId: '../x' }, 'cni: containerId is "../x": expected letters'],
    ['cni', { ...ADD, interfaceName: 'a b' }, 'cni: interfaceName is "a b": expected 1 to 15'],
    ['cni', { ...ADD, arguments: { A: 1 } }, 'cni: arguments.A is 1: expected text'],
    [
      'cni',
      { ...ADD, configuration: { ...ADD.configuration, args: { cni: { ips: 'x' } } } },
      'cni: configuration.args.cni.ips is "x": expected a list',
    ],
    [
      'bgp.reset',
      { neighbor: '10.0.0.300' },
      'bgp.reset: neighbor is "10.0.0.300": expected an IP',
    ],
  ] as const)('%s is refused by name', async (method, params, message) => {
    await expect(methods[method](params)).rejects.toMatchObject({
      code: 'EINVAL',
      message: expect.stringContaining(message),
    })
  })

  it('does not keep DEL from what ADD made', async () => {
    const configuration = { ...ADD.configuration, args: { cni: { labels: null } } }
    const request = { ...ADD, command: 'DEL', configuration }
    await expect(methods.cni(request)).resolves.toMatchObject({ command: 'DEL' })
  })
})
