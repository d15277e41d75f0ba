import { afterEach, describe, expect, it } from 'vitest'
import { canRunLabs, say } from './tortie.ts'

/*
 * The same topology on both kernels: a trace is the same document, hop for hop, TTLs, outer headers and
 * interface names included. Only what time and chance give may differ.
 */

/** Fields of the document that time and chance give; replaced by their names. */
const BY_CHANCE = new Set(['identifier', 'identification', 'at', 'sincePrevious', 'startedAt'])

function withoutChance(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutChance)
  if (typeof value === 'string') return value.replaceAll(/[\d.]+ ms/g, 'TIME')
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      BY_CHANCE.has(key) ? key : withoutChance(inner),
    ]),
  )
}

describe.skipIf(!canRunLabs('the comparison of traces on both kernels'))('a trace', () => {
  const labs: string[] = []

  afterEach(() => {
    for (const lab of labs.splice(0)) say('lab', 'down', lab)
  })

  function traceOn(kind: 'real' | 'simulated', topology: string, to: string): unknown {
    const lab = `${kind}${process.pid}`
    say('lab', 'up', topology, '--name', lab, ...(kind === 'simulated' ? ['--simulated'] : []))
    labs.push(lab)
    const text = say('trace', 'network-5z4qp', to, '--lab', lab, '-o', 'json')
    // A namespace has its lab's name before its own where another lab has taken the plain one.
    return withoutChance(JSON.parse(text.replaceAll(`${lab}-`, '')))
  }

  it.each([
    ['seed', 'network-mngxw', 'ens33'],
    ['cross-subnet', 'network-x7rtl', 'tunl0'],
    ['vxlan', 'network-x7rtl', 'vxlan.calico'],
  ])('of %s is the same on the real and on the simulated kernel', (topology, to, passes) => {
    const real = traceOn('real', topology, to)
    expect(JSON.stringify(real)).toContain(passes)
    expect(traceOn('simulated', topology, to)).toEqual(real)
  })
})
