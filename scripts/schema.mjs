// Writes schema/*.schema.json, docs/resources.md and docs/cni.md from what the program itself checks with.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { root } from './setup.mjs'

const WRITTEN = [
  ['schema/bgpd.schema.json', 'src/bgpd/bgpd-json-schema.ts', 'bgpdJsonSchema'],
  ['schema/topology.schema.json', 'src/lab/topology-json-schema.ts', 'topologyJsonSchema'],
  ['schema/trace.schema.json', 'src/trace/report/trace-json-schema.ts', 'traceJsonSchema'],
  ['docs/resources.md', 'src/model/resources-markdown.ts', 'resourcesMarkdown'],
  ['docs/cni.md', 'src/cni/configuration-markdown.ts', 'configurationMarkdown'],
]

for (const [path, source, textOf] of WRITTEN) {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [source],
    bundle: true,
    format: 'esm',
    platform: 'node',
    write: false,
  })
  const bundle = Buffer.from(outputFiles[0].contents).toString('base64')
  const module = await import(`data:text/javascript;base64,${bundle}`)
  writeFileSync(join(root, path), module[textOf]())
}
