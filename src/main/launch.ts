#!/usr/bin/env node
import { fileURLToPath } from 'node:url'
import { loadBundle } from './load-bundle.ts'

/** Name of the code cache beside the program; the build puts it in. */
declare const CODE_CACHE: string

const beside = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

const { exports: program } = loadBundle<typeof import('./tortie.ts')>(
  beside('tortie.cjs'),
  beside(CODE_CACHE),
)
await program.main()
