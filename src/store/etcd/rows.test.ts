import { describe, expect, it } from 'vitest'
import { decodeResource } from '../../model/decode-resource.ts'
import { toRow } from './rows.ts'

describe('a row of another program', () => {
  it('that is not UTF-8 is read, and refused as what it says', () => {
    const octets = new TextEncoder().encode('{"kind":"Node","metadata":{"name":"a"}}')
    octets[octets.indexOf(0x61)] = 0xff
    const key = new TextEncoder().encode('/a')
    const row = toRow({ key, value: octets, createRevision: 1, modRevision: 2, version: 1 })
    expect(decodeResource('Node', row)).toMatchObject({
      problem: { key: '/a', field: '', expected: 'expected UTF-8' },
    })
  })
})
