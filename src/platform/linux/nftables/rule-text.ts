import type { RuleImage } from '../../../kernel/filter-plan.ts'
import { ByteWriter } from '../../../lib/bytes.ts'
import { list, nested } from '../../../wire/netlink/attributes.ts'
import { type Expression, expression } from '../../../wire/netlink/nftables-expressions.ts'

const expressions = list(nested(1), expression)
const writer = new ByteWriter(4096)

/** Rows of NFTA_RULE_USERDATA that nft reads (libnftnl NFTNL_UDATA_RULE_COMMENT). */
const COMMENT_ROW = 0

/** A rule by its octets, as written here: attributes that this program does not know do not count. */
export function ruleImage(
  steps: readonly Expression[],
  userData: Uint8Array | undefined,
): RuleImage {
  writer.reset()
  expressions.encode(writer, steps)
  if (userData !== undefined) writer.bytes(userData)
  const view = writer.view()
  const text = Buffer.from(view.buffer, view.byteOffset, view.length).toString('latin1')
  return { text, uses: usesOf(steps) }
}

function usesOf(steps: readonly Expression[]): readonly string[] {
  const names: string[] = []
  for (const step of steps) {
    if (step.name === 'lookup') names.push(step.data.set ?? '')
    else if (step.name === 'flow_offload') names.push(step.data.table ?? '')
  }
  return names
}

/** A comment as nft keeps it, with the NUL at its end. */
export function commentRow(comment: string): Uint8Array {
  const text = Buffer.from(`${comment}\0`)
  return Uint8Array.from([COMMENT_ROW, text.length, ...text])
}
