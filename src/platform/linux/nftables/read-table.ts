import { isKernelError } from '../../../kernel/kernel.ts'
import type { ByteReader } from '../../../lib/bytes.ts'
import {
  chainBody,
  flowtableBody,
  NF_VERDICT,
  NFPROTO,
  NFT_MSG,
  NFT_OBJECT_COUNTER,
  NFT_SET,
  objectBody,
  ruleBody,
  setBody,
  setElementsBody,
  tableBody,
} from '../../../wire/netlink/nftables.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import { liveElements } from './filter-elements.ts'
import { keyTypes } from './key-octets.ts'
import type { KernelChain, KernelLookup, KernelRule, KernelTable } from './kernel-table.ts'
import { ruleImage } from './rule-text.ts'
import { chainShape, flowtableShape, lookupShape } from './shapes.ts'

const family = NFPROTO.inet

interface Reader {
  readonly netlink: NetlinkSocket
  readonly table: string
  readonly what: () => string
}

/**
 * What the kernel has under a table's name: undefined where there is none, 'unusable' for one that no
 * steps could make right (asleep, or with objects that are never made here).
 */
export function readTable(
  netlink: NetlinkSocket,
  table: string,
  what: () => string,
): KernelTable | 'unusable' | undefined {
  const reader = { netlink, table, what }
  const flags = tableFlags(reader)
  if (flags === undefined) return undefined
  const objects = dump(reader, NFT_MSG.getObject, objectBody)
  if (flags !== 0 || objects.some(({ type }) => type !== NFT_OBJECT_COUNTER)) return 'unusable'
  const rules = rulesByChain(reader)
  return {
    chains: new Map(
      dump(reader, NFT_MSG.getChain, chainBody).map((row): [string, KernelChain] => [
        row.name ?? '',
        {
          shape: chainShape(row.hook && { ...row.hook, type: row.type }),
          policy: row.policy === NF_VERDICT.drop ? 'drop' : 'accept',
          rules: rules.get(row.name ?? '') ?? [],
        },
      ]),
    ),
    lookups: new Map(
      dump(reader, NFT_MSG.getSet, setBody).map((row) => [row.name ?? '', readLookup(reader, row)]),
    ),
    counters: new Set(objects.map(({ name = '' }) => name)),
    flowtables: new Map(
      flowtables(reader).map(({ name = '', hook }) => [
        name,
        flowtableShape(hook?.priority ?? 0, hook?.links ?? []),
      ]),
    ),
  }
}

function rulesByChain(reader: Reader): ReadonlyMap<string, readonly KernelRule[]> {
  const byChain = new Map<string, KernelRule[]>()
  for (const row of dump(reader, NFT_MSG.getRule, ruleBody)) {
    const { chain = '' } = row
    const rules = byChain.get(chain)
    if (rules === undefined) byChain.set(chain, [liveRule(row)])
    else rules.push(liveRule(row))
  }
  return byChain
}

/** The rules of one chain. */
export function readRules(
  netlink: NetlinkSocket,
  table: string,
  chain: string,
  what: () => string,
): readonly KernelRule[] {
  const body = { family, table, chain }
  const request = {
    type: NFT_MSG.getRule,
    body: (to: Parameters<typeof ruleBody.encode>[0]) => ruleBody.encode(to, body),
    what,
  }
  return netlink
    .dump(request, (message) => ruleBody.decode(message.body))
    .filter((row) => row.table === table && row.chain === chain)
    .map(liveRule)
}

function liveRule({
  expressions = [],
  userData,
  handle,
}: ReturnType<typeof ruleBody.decode>): KernelRule {
  return { ...ruleImage(expressions, userData), handle }
}

function tableFlags({ netlink, table, what }: Reader): number | undefined {
  const body = { family, name: table }
  try {
    return netlink.ask(
      { type: NFT_MSG.getTable, body: (to) => tableBody.encode(to, body), what },
      (message) => tableBody.decode(message.body).flags ?? 0,
    )
  } catch (thrown) {
    if (isKernelError(thrown, 'ENOENT')) return undefined
    throw thrown
  }
}

/** All of a kind, of one table where the kernel heeds that (rules, sets and objects). */
function dump<Row extends { readonly table?: string | undefined }>(
  { netlink, table, what }: Reader,
  type: number,
  codec: { decode(from: ByteReader): Row },
): readonly Row[] {
  // The name of a table is attribute 1 of all of them.
  const body = { family, table }
  return netlink
    .dump({ type, body: (to) => ruleBody.encode(to, body), what }, (message) =>
      codec.decode(message.body),
    )
    .filter((row) => row.table === table)
}

/** A kernel that does not know of flowtables has none. */
function flowtables(reader: Reader): readonly ReturnType<typeof flowtableBody.decode>[] {
  try {
    return dump(reader, NFT_MSG.getFlowtable, flowtableBody)
  } catch (thrown) {
    if (isKernelError(thrown, 'EINVAL', 'EOPNOTSUPP')) return []
    throw thrown
  }
}

function readLookup(
  { netlink, table, what }: Reader,
  row: ReturnType<typeof setBody.decode>,
): KernelLookup {
  const { name = '', flags = 0, keyType = 0, keyOctets = 0 } = row
  const types = keyTypes(keyType, keyOctets)
  const body = { family, table, set: name }
  const elements =
    types === undefined
      ? []
      : liveElements(
          types,
          netlink
            .dump(
              {
                type: NFT_MSG.getSetElement,
                body: (to) => setElementsBody.encode(to, body),
                what,
              },
              (message) => setElementsBody.decode(message.body).elements ?? [],
            )
            .flat(),
        )
  return {
    object: (flags & NFT_SET.map) === 0 ? 'set' : 'map',
    shape: lookupShape({ flags, keyType, keyOctets, valueType: row.valueType }),
    types,
    elements: new Map(elements.map(({ text, value }) => [text, value])),
    keys: new Map(elements.map(({ text, key }) => [text, key])),
  }
}
