import * as z from 'zod'
import { checkFileVersion } from '../lib/file-version.ts'
import { firstProblem } from '../lib/schema-problems.ts'
import { type IpAddress, parseIpAddress } from '../net/ip-address.ts'
import { type MacAddress, parseMacAddress } from '../net/mac-address.ts'
import { parsePrefix, type Prefix } from '../net/prefix.ts'
import type { Attachment } from './attachment.ts'

/** Of the file of one attachment; 1 is the same without the field. */
export const ATTACHMENT_RECORD_VERSION = 1

const ipAddress = z.string().transform((text, context): IpAddress => {
  const address = parseIpAddress(text)
  if (address !== undefined) return address
  context.addIssue('expected an IP address')
  return z.NEVER
})
const macAddress = z.string().transform((text, context): MacAddress => {
  const address = parseMacAddress(text)
  if (address !== undefined) return address
  context.addIssue('expected a MAC address')
  return z.NEVER
})
const destination = z.string().transform((text, context): Prefix => {
  const prefix = parsePrefix(text)
  if (prefix !== undefined) return prefix
  context.addIssue('expected a prefix such as 10.0.0.0/8')
  return z.NEVER
})
/** Names are not checked any further: what an earlier version let in must be taken away again. */
const name = z.string().min(1, 'expected text that is not empty')

const attachment: z.ZodType<Attachment> = z.object({
  network: name,
  containerId: name,
  networkNamespace: z.string(),
  interfaceName: name,
  /** Empty of what is to be undone without having been made here. */
  hostInterfaceName: z.string(),
  orchestrator: z.enum(['k8s', 'cni']),
  namespace: z.string(),
  pod: z.string(),
  labels: z.record(z.string(), z.string()),
  addresses: z.array(ipAddress),
  macAddress: macAddress.exactOptional(),
  mtu: z.int(),
  followsNodeMtu: z.boolean().exactOptional(),
  destinations: z.array(destination).exactOptional(),
  forwards: z.boolean().exactOptional(),
  boot: z.string().exactOptional(),
  namespaceId: z.string().exactOptional(),
  state: z.enum(['adding', 'ready']),
})

/** What the file of an attachment holds. */
export function attachmentRecord(row: Attachment): object {
  return { version: ATTACHMENT_RECORD_VERSION, ...row }
}

/** The attachment of a file. Errors: LaterVersion; Error that names the field that is not as it must be. */
export function parseAttachmentRecord(value: unknown): Attachment {
  const version = (value as { version?: unknown } | null)?.version
  checkFileVersion(version, ATTACHMENT_RECORD_VERSION, 'the record of an attachment')
  const parsed = attachment.safeParse(value)
  if (parsed.success) return parsed.data
  throw new Error(firstProblem(parsed.error, value, attachment))
}
