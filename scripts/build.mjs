// Bundles the executables. `tortie` is split, so that `tortie get` does not load what only the agent
// needs; the CNI executable is one CommonJS file, the form that starts fastest.
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { root } from './setup.mjs'

const common = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  external: ['koffi', 'lmdb'],
  loader: { '.yaml': 'text' },
  sourcemap: true,
  // What is read before anything runs is nearly a third shorter; names stay, for stacks.
  minifyWhitespace: true,
  logLevel: 'warning',
}

// CommonJS dependencies inside an ES module bundle still ask for `require`.
const requireShim =
  "import { createRequire as tortieCreateRequire } from 'node:module'; const require = tortieCreateRequire(import.meta.url);"

const modules = {
  tortie: 'src/main/tortie.ts',
  bgp: 'src/main/bgp-package.ts',
}
const entryPoints = Object.fromEntries(
  Object.entries(modules).filter(([, path]) => existsSync(join(root, path))),
)
const { metafile } = await build({
  ...common,
  entryPoints,
  metafile: true,
  outdir: 'dist',
  format: 'esm',
  splitting: true,
  chunkNames: 'chunks/[name]-[hash]',
  banner: { js: requireShim },
})
// Chunks of builds before this one would be packed as well.
for (const name of readdirSync(join(root, 'dist/chunks'))) {
  const path = `dist/chunks/${name}`
  if (metafile.outputs[path] === undefined) rmSync(join(root, path))
}
if (existsSync(join(root, 'src/main/cni.ts'))) {
  await build({
    ...common,
    entryPoints: { 'tortie-cni': 'src/main/cni.ts' },
    outdir: 'dist',
    outExtension: { '.js': '.cjs' },
    format: 'cjs',
    minifySyntax: true,
  })
}
// Types for those who import tortie/bgp; not where TypeScript is not installed, as in production.
const compiler = join(root, 'node_modules/typescript/bin/tsc')
if (existsSync(compiler)) {
  execFileSync(process.execPath, [compiler, '-p', 'tsconfig.types.json'], {
    cwd: root,
    stdio: 'inherit',
  })
}
for (const file of ['dist/tortie.js', 'dist/tortie-cni.cjs']) {
  if (existsSync(join(root, file))) chmodSync(join(root, file), 0o755)
}
