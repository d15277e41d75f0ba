import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

/**
 * The law of the tree: an import points to a strictly lower level or inside its own folder, and only
 * `main` imports `platform`. Tests and contract suites may also use what is beside or above them.
 */
const LEVEL: Readonly<Record<string, number>> = {
  lib: 0,
  net: 1,
  'wire/bfd': 2,
  'wire/bgp': 2,
  'wire/netlink': 2,
  'wire/packet': 2,
  model: 2,
  store: 3,
  kernel: 3,
  bgp: 3,
  api: 4,
  ipam: 4,
  routes: 4,
  // Side by side, so that neither imports the other: a diagnosis must not know what is broken.
  faults: 5,
  trace: 5,
  agent: 6,
  bgpd: 6,
  cni: 6,
  lab: 6,
  platform: 6,
  composition: 7,
  recording: 8,
  'simulated-lab': 8,
  cli: 9,
  main: 10,
}

/** Names that must be handed in rather than reached for, and where each may be used. */
const HANDED_IN: readonly { readonly pattern: RegExp; readonly what: string }[] = [
  { pattern: /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(/, what: 'the clock' },
  { pattern: /(?<![.\w])(setTimeout|setInterval)\(/, what: 'a timer of the clock' },
  { pattern: /\bMath\.random\(|\brandomUUID\(|\brandomBytes\(/, what: 'randomness' },
  {
    pattern:
      /from 'node:(child_process|net|fs|dgram|fs\/promises|os|http|http2|tls|worker_threads)'/,
    what: 'the operating system',
  },
  { pattern: /from 'koffi'/, what: 'system calls' },
]
const MAY_REACH = ['platform', 'main']

/** Types of text that only their parsers in `net` may give: a cast would believe whoever wrote the text. */
const CAST_TO_PARSED_TEXT =
  /\bas (unknown as )?(readonly )?(IpAddress|Prefix|InterfaceAddress(Text)?|MacAddress)\b/

/** By its name it is an object that keeps all of its languages: 450 KB more that every start reads. */
const ZOD_BY_NAME = /import (type )?\{[^}]*\} from 'zod'/

const source = resolve(import.meta.dirname, '../src')

function folderOf(path: string): string {
  const parts = relative(source, path).split('/')
  return parts[0] === 'wire' ? `wire/${parts[1]!}` : parts[0]!
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
}

/** One sentence for each import of `text`, the file at `path`, that breaks the law. */
function breaches(path: string, text: string): string[] {
  const own = folderOf(path)
  const found: string[] = []
  const level = LEVEL[own]
  if (level === undefined) return [`${own} has no level: add it to the table`]
  for (const match of text.matchAll(/(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)'/g)) {
    const target = folderOf(resolve(path, '..', match[1]!))
    if (target === own) continue
    const below = LEVEL[target]
    if (below === undefined || below >= level) {
      found.push(`${relative(source, path)} (${own}, level ${level}) imports ${target}`)
    } else if (target === 'platform' && own !== 'main') {
      found.push(`${relative(source, path)} imports platform; only main does`)
    }
  }
  if (own !== 'net' && CAST_TO_PARSED_TEXT.test(text)) {
    found.push(`${relative(source, path)} casts text to an address or a prefix; parse it`)
  }
  if (ZOD_BY_NAME.test(text)) {
    found.push(`${relative(source, path)} imports zod by name; import * as z from 'zod'`)
  }
  if (!MAY_REACH.includes(own)) {
    for (const { pattern, what } of HANDED_IN) {
      if (pattern.test(text))
        found.push(`${relative(source, path)} reaches for ${what}; hand it in`)
    }
  }
  return found
}

const isTest = (path: string): boolean => /\.(test|contract)\.ts$|\/testing\//.test(path)

describe('the law of the tree', () => {
  it('holds for every source file', () => {
    const found = filesUnder(source)
      .filter((path) => !isTest(path))
      .flatMap((path) => breaches(path, readFileSync(path, 'utf8')))
    expect(found).toEqual([])
  })

  it('sees an import that points upwards', () => {
    const text = "import { agent } from '../agent/agent.ts'\n"
    expect(breaches(join(source, 'net/planted.ts'), text)).toHaveLength(1)
  })

  it('sees a folder of the same level', () => {
    const text = "import { thing } from '../kernel/kernel.ts'\n"
    expect(breaches(join(source, 'bgp/planted.ts'), text)).toHaveLength(1)
  })

  it.each([
    ['trace', 'faults'],
    ['faults', 'trace'],
  ])('sees %s look into %s', (own, other) => {
    const text = `import { thing } from '../${other}/thing.ts'\n`
    expect(breaches(join(source, own, 'planted.ts'), text)).toHaveLength(1)
  })

  it('sees platform imported outside main', () => {
    const text = "import { socket } from '../platform/linux/socket.ts'\n"
    expect(breaches(join(source, 'lab/planted.ts'), text)).toHaveLength(1)
  })

  it.each([
    'x as Prefix',
    'x as IpAddress | undefined',
    'list as Prefix[]',
    'x as unknown as Prefix',
  ])('sees that text is believed to be an address: %s', (cast) => {
    expect(breaches(join(source, 'agent/planted.ts'), `const t = ${cast}\n`)).toHaveLength(1)
  })

  it('sees zod with all its languages', () => {
    const text = "import { z } from 'zod'\n"
    expect(breaches(join(source, 'api/planted.ts'), text)).toHaveLength(1)
  })

  it('sees time that is not handed in', () => {
    expect(breaches(join(source, 'bgp/planted.ts'), 'const t = Date.now()\n')).toHaveLength(1)
  })
})
