import { readFileSync } from 'node:fs'

/** The package's version; the bundle in dist/ and the source in src/main/ lie equally deep or one deeper. */
export const version = ((): string => {
  for (const up of ['../package.json', '../../package.json']) {
    try {
      const text = readFileSync(new URL(up, import.meta.url), 'utf8')
      return (JSON.parse(text) as { version: string }).version
    } catch {
      continue
    }
  }
  return 'unknown'
})()
