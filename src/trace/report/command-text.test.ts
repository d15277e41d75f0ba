import { describe, expect, it } from 'vitest'
import type { Place } from '../predict/fault.ts'
import { commandText } from './command-text.ts'

const place: Place = { node: 'server01', netns: 'host', enter: 'ip netns exec server01 ' }

describe('a command as a person pastes it', () => {
  it('runs in the namespace of the place', () => {
    const text = commandText(['sysctl', '-w', 'net.ipv6.conf.all.forwarding=1'], place, {
      lab: 'dm',
    })
    expect(text).toBe('ip netns exec server01 sysctl -w net.ipv6.conf.all.forwarding=1')
  })

  it('asks the lab that the trace was told', () => {
    const command = ['tortie', 'get', 'ippool']
    expect(commandText(command, place, {})).toBe('tortie get ippool')
    expect(commandText(command, place, { lab: 'dm' })).toBe('tortie get ippool --lab dm')
  })

  it('leaves nothing to the shell', () => {
    const text = commandText(['ip', 'link', 'show', "a;b'$(c)"], place, {})
    expect(text).toBe(String.raw`ip netns exec server01 ip link show 'a;b'\''$(c)'`)
  })
})
