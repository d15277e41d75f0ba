import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Attachment, attachmentKey } from '../../cni/attachment.ts'
import { attachmentRecord, parseAttachmentRecord } from '../../cni/attachment-record.ts'
import { type Log, silentLog } from '../../lib/log.ts'
import { ip } from '../../net/ip-address.ts'
import { jsonFiles } from './json-files.ts'

const WEB: Attachment = {
  network: 'net',
  containerId: 'c1',
  networkNamespace: '/run/netns/c1',
  interfaceName: 'eth0',
  hostInterfaceName: 'cali1',
  orchestrator: 'k8s',
  namespace: 'default',
  pod: 'web',
  labels: { app: 'web' },
  addresses: [ip('10.211.0.6')],
  mtu: 1480,
  state: 'ready',
}

describe('the records of attachments on disk', () => {
  let folder: string
  const warnings: string[] = []
  const log: Log = {
    ...silentLog,
    warn: (message, fields) => void warnings.push(`${message}: ${String(fields?.['error'])}`),
  }
  const open = () =>
    jsonFiles<Attachment>({
      folder,
      log,
      parse: parseAttachmentRecord,
      document: attachmentRecord,
      keyOf: attachmentKey,
    })

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tortie-records-'))
    warnings.length = 0
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('are there again with the next process, and say their version', () => {
    open().put(WEB)
    expect(open().list()).toEqual([WEB])
    const text = readFileSync(join(folder, 'c1:eth0.json'), 'utf8')
    expect(JSON.parse(text)).toMatchObject({ version: 1 })
    open().delete(attachmentKey(WEB))
    expect(open().list()).toEqual([])
    expect(warnings).toEqual([])
  })

  it('of the version without a version are read', () => {
    writeFileSync(join(folder, 'c1-eth0.json'), JSON.stringify(WEB))
    expect(open().list()).toEqual([WEB])
    expect(readdirSync(folder)).toEqual(['c1:eth0.json'])
  })

  it('of names that no file can have are kept under one that it can', () => {
    const long = { ...WEB, containerId: 'c'.repeat(250) }
    open().put(long)
    expect(open().list()).toEqual([long])
    open().delete(attachmentKey(long))
    expect(readdirSync(folder)).toEqual([])
  })

  it('say when there is no place for one more', () => {
    const files = open()
    files.assertWritable()
    expect(readdirSync(folder)).toEqual([])
    rmSync(folder, { recursive: true })
    expect(() => files.assertWritable()).toThrow('ENOENT')
    mkdirSync(folder)
  })

  it.each([
    ['empty', '', 'Unexpected end of JSON input'],
    ['cut off', JSON.stringify(WEB).slice(0, 40), 'JSON'],
    ['null', 'null', 'the whole is empty: expected a map of fields'],
    ['{}', '{}', 'network is missing: expected text'],
    ['of a wrong address', JSON.stringify({ ...WEB, addresses: ['10.211.0'] }), 'addresses[0] is'],
  ])('are served though one is %s, which is set aside', (_, text, error) => {
    open().put(WEB)
    writeFileSync(join(folder, 'c2-eth0.json'), text)
    expect(open().list()).toEqual([WEB])
    expect(warnings).toEqual([expect.stringContaining(error)])
    expect(readdirSync(folder).sort()).toEqual(['c1:eth0.json', 'c2-eth0.json.unreadable'])
    expect(open().list()).toEqual([WEB])
    expect(warnings).toHaveLength(1)
  })

  it('are served beside a directory, a dangling link and a write that was cut off', () => {
    open().put(WEB)
    mkdirSync(join(folder, 'c2-eth0.json'))
    symlinkSync('/nowhere/at/all', join(folder, 'c3-eth0.json'))
    writeFileSync(join(folder, 'c4-eth0.json.new'), '{')
    mkdirSync(join(folder, 'lost+found'))
    expect(open().list()).toEqual([WEB])
    expect(warnings).toHaveLength(2)
    expect(readdirSync(folder).sort()).toEqual([
      'c1:eth0.json',
      'c2-eth0.json.unreadable',
      'c3-eth0.json.unreadable',
      'lost+found',
    ])
  })

  it('of a later version are left alone', () => {
    writeFileSync(join(folder, 'c1-eth0.json'), JSON.stringify({ ...WEB, version: 2 }))
    expect(open().list()).toEqual([])
    expect(warnings).toEqual([
      'Ignored a file of a later version: the record of an attachment has version 2, and this Tortie reads up to 1: a later one wrote it; use that one, or update this',
    ])
    expect(readdirSync(folder)).toEqual(['c1-eth0.json'])
  })
})
