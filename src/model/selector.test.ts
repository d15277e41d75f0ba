import { describe, expect, it } from 'vitest'
import { parseSelector } from './selector.ts'

const labels = { zone: 'eu-1', 'route-reflector': '', app: 'network', 'k8s.io/name': 'x' }

describe('a selector', () => {
  it.each([
    ['', true],
    ['all()', true],
    ['global()', false],
    ['has(route-reflector)', true],
    ['!has(route-reflector)', false],
    ['!!has(route-reflector)', true],
    ['has(constructor)', false],
    ["zone == 'eu-1'", true],
    ['zone == "eu-2"', false],
    ['zone != "eu-2"', true],
    ['missing == "x"', false],
    ['missing != "x"', true],
    ['missing not in {"x"}', true],
    ['missing in {"x"}', false],
    ['zone in {"eu-1", "eu-2",}', true],
    ['zone not in {}', true],
    ['zone notin {"eu-1"}', false],
    ['app contains "etw"', true],
    ['app starts with "net"', true],
    ['app startswith "work"', false],
    ['app ends with "work"', true],
    ['missing contains ""', false],
    ['k8s.io/name == "x" && app == "network"', true],
    ['app == "a" && has(zone) || has(zone)', true],
    ['app == "a" && (has(zone) || has(zone))', false],
    ['\tzone  ==\t"eu-1" ', true],
  ])('%s', (text, expected) => {
    expect(parseSelector(text).matches(labels)).toBe(expected)
  })

  it.each([
    ['zone', 'expected operator after label: zone⟨here⟩'],
    ['zone == ', 'expected string'],
    ['zone == "a', 'unterminated string'],
    ['has(zone', "no closing ')' after has("],
    ['(has(zone)', 'expected )'],
    ['zone in "a"', 'expected set literal'],
    ['zone in {"a" "b"}', 'expected }'],
    ['has(a) has(b)', 'unexpected content at end of selector'],
    ['has(a)\n', 'unexpected content at end of selector'],
    ['&& has(a)', 'expected identifier'],
    ['inside == "a" |', 'unexpected content at end'],
  ])('refuses %j', (text, message) => {
    expect(() => parseSelector(text)).toThrow(message)
  })
})
