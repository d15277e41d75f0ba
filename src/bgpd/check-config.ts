import type { FieldPath, FieldProblem } from '../lib/schema-problems.ts'
import { familyOf } from '../net/ip-address.ts'
import { prefixFamily } from '../net/prefix.ts'
import type { BgpdFile, FileDynamicNeighbor, FileNeighbor, FilePolicy } from './config-schema.ts'

/** What fields of a well-formed configuration have against each other. */
export function checkBgpdConfig(file: BgpdFile): readonly FieldProblem[] {
  return [
    ...checkNeighbors(file),
    ...checkDynamicNeighbors(file),
    ...checkFilters(file),
    ...checkStatic(file),
  ]
}

function checkNeighbors(file: BgpdFile): FieldProblem[] {
  const seen = new Map<string, number>()
  return (file.neighbors ?? []).flatMap((neighbor, at) => {
    const path = ['neighbors', at]
    const key = `${neighbor.address} ${neighbor.interface ?? ''}`
    const first = seen.get(key)
    seen.set(key, first ?? at)
    return [
      ...(first === undefined
        ? []
        : [
            problem([...path, 'address'], `expected each neighbor once, neighbors[${first}] is it`),
          ]),
      ...checkAddresses(neighbor, path),
      ...checkOptions(file, neighbor, path),
    ]
  })
}

function problem(path: FieldPath, message: string): FieldProblem {
  return { path, message }
}

function checkAddresses(neighbor: FileNeighbor, path: FieldPath): FieldProblem[] {
  const { address, localAddress, interface: link, errorWaitSeconds } = neighbor
  const found: FieldProblem[] = []
  if (/^fe[89ab]/.test(address) && link === undefined) {
    found.push(problem([...path, 'interface'], 'expected the interface of a link-local neighbor'))
  }
  if (localAddress !== undefined && familyOf(localAddress) !== familyOf(address)) {
    const family = `IPv${familyOf(address)}`
    found.push(
      problem([...path, 'localAddress'], `expected an ${family} address, as the neighbor's`),
    )
  }
  if (localAddress === address) {
    found.push(problem([...path, 'address'], 'expected another address than localAddress'))
  }
  if (errorWaitSeconds !== undefined && errorWaitSeconds.first > errorWaitSeconds.most) {
    found.push(problem([...path, 'errorWaitSeconds', 'most'], 'expected at least the first wait'))
  }
  return found
}

function checkDynamicNeighbors(file: BgpdFile): FieldProblem[] {
  return (file.dynamicNeighbors ?? []).flatMap((neighbor, at) =>
    checkOptions(file, neighbor, ['dynamicNeighbors', at]),
  )
}

function checkOptions(
  file: BgpdFile,
  neighbor: FileNeighbor | FileDynamicNeighbor,
  path: FieldPath,
): FieldProblem[] {
  const found: FieldProblem[] = []
  const { holdTimeSeconds = 90, keepaliveSeconds, remoteAs, localAs } = neighbor
  if (
    keepaliveSeconds !== undefined &&
    holdTimeSeconds > 0 &&
    keepaliveSeconds >= holdTimeSeconds
  ) {
    const message = `expected less than the hold time of ${holdTimeSeconds} seconds`
    found.push(problem([...path, 'keepaliveSeconds'], message))
  }
  if (neighbor.multihopTtl !== undefined && neighbor.ttlSecurityHops !== undefined) {
    found.push(problem([...path, 'ttlSecurityHops'], 'expected this or multihopTtl, not both'))
  }
  const isInternal = remoteAs === (localAs ?? file.localAs)
  if (neighbor.routeReflectorClient === true && remoteAs !== undefined && !isInternal) {
    const message = `expected a neighbor of our own AS ${localAs ?? file.localAs} as client`
    found.push(problem([...path, 'routeReflectorClient'], message))
  }
  for (const key of ['import', 'export'] as const) {
    found.push(...checkPolicy(file, neighbor[key], [...path, key]))
  }
  return found
}

function checkPolicy(
  file: BgpdFile,
  policy: FilePolicy | undefined,
  path: FieldPath,
): FieldProblem[] {
  if (!Array.isArray(policy)) return []
  const known = Object.keys(file.filters ?? {})
  return policy.flatMap((name, at) => {
    if (known.includes(name)) return []
    const have = known.length === 0 ? 'there are none' : `there are ${known.join(', ')}`
    return [problem([...path, at], `expected the name of a list in filters; ${have}`)]
  })
}

function checkFilters(file: BgpdFile): FieldProblem[] {
  return Object.entries(file.filters ?? {}).flatMap(([name, rules]) =>
    rules.flatMap((rule, at) => {
      const path = ['filters', name, at]
      const found: FieldProblem[] = []
      const hasCidr = rule.cidr !== undefined
      if (hasCidr && rule.matchOperator === undefined) {
        found.push(
          problem(
            [...path, 'matchOperator'],
            'expected one of Equal, NotEqual, In, NotIn beside cidr',
          ),
        )
      }
      for (const key of ['matchOperator', 'prefixLength'] as const) {
        if (!hasCidr && rule[key] !== undefined) {
          found.push(problem([...path, key], 'expected a cidr beside it'))
        }
      }
      if (rule.operations !== undefined && rule.action === 'Reject') {
        found.push(problem([...path, 'operations'], 'expected operations only with action Accept'))
      }
      return [...found, ...checkLengths(rule, path)]
    }),
  )
}

type FileRule = NonNullable<BgpdFile['filters']>[string][number]

function checkLengths({ cidr, prefixLength }: FileRule, path: FieldPath): FieldProblem[] {
  if (cidr === undefined || prefixLength === undefined) return []
  const bits = prefixFamily(cidr) === 4 ? 32 : 128
  const { min = 0, max = bits } = prefixLength
  const found: FieldProblem[] = []
  if (min > bits) found.push(problem([...path, 'prefixLength', 'min'], `expected ${bits} at most`))
  if (max > bits) found.push(problem([...path, 'prefixLength', 'max'], `expected ${bits} at most`))
  if (min > max) found.push(problem([...path, 'prefixLength', 'max'], 'expected at least min'))
  return found
}

function checkStatic(file: BgpdFile): FieldProblem[] {
  const seen = new Map<string, number>()
  return (file.static ?? []).flatMap(({ prefix, nextHop }, at) => {
    const path = ['static', at]
    const first = seen.get(prefix)
    seen.set(prefix, first ?? at)
    const found: FieldProblem[] = []
    if (first !== undefined) {
      found.push(problem([...path, 'prefix'], `expected each prefix once, static[${first}] has it`))
    }
    if (nextHop !== undefined && prefixFamily(prefix) === 6 && familyOf(nextHop) === 4) {
      found.push(problem([...path, 'nextHop'], 'expected an IPv6 address for an IPv6 prefix'))
    }
    return found
  })
}
