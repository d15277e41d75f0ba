import { describe, expect, it } from 'vitest'
import { UserError } from '../lib/errors.ts'
import type { CommandEntry, DefineCommand } from './command-entry.ts'
import { runProgram } from './program.ts'
import { testContext } from './testing/test-context.ts'

function entry(name: string, define: DefineCommand, onLoad = (): void => {}): CommandEntry {
  return {
    name,
    summary: `what ${name} does`,
    group: 'Look',
    load: () => {
      onLoad()
      return Promise.resolve(define)
    },
  }
}

const fine: DefineCommand = (command, context) => {
  command.option('-o, --output <form>').action(() => context.out.write('fine\n'))
}
const run = async (entries: readonly CommandEntry[], ...argv: string[]) => {
  const context = testContext()
  const code = await runProgram(argv, entries, context, '1.2.3')
  return { code, ...context.written }
}

describe('the command line', () => {
  it('loads only the command that is asked for', async () => {
    const loaded: string[] = []
    const entries = ['get', 'trace'].map((name) => entry(name, fine, () => loaded.push(name)))
    expect(await run(entries, 'get')).toEqual({ code: 0, out: 'fine\n', err: '' })
    expect(loaded).toEqual(['get'])
  })

  it('tells a newcomer what to type next', async () => {
    const { code, out } = await run([entry('get', fine)])
    expect(code).toBe(0)
    expect(out).toContain('tortie lab up seed')
    expect(out).toMatch(/^Look:\n {2}get +what get does$/m)
  })

  it('suggests the command and the option that a misspelled one is close to', async () => {
    const entries = [entry('get', fine)]
    expect(await run(entries, 'gte')).toMatchObject({
      code: 1,
      err: "tortie: unknown command 'gte'\n(Did you mean get?)\n",
    })
    expect(await run(entries, 'get', '--ouput', 'x')).toMatchObject({
      code: 1,
      err: "tortie: unknown option '--ouput'\n(Did you mean --output?)\n",
    })
  })

  it('shows the options of a command that help is asked of', async () => {
    expect((await run([entry('get', fine)], 'help', 'get')).out).toContain('--output <form>')
  })

  it("prints a person's mistake without a stack and ends with its status", async () => {
    const wrong: DefineCommand = (command) => {
      command.action(() => {
        throw new UserError('No pod "a"', { exitCode: 3 })
      })
    }
    expect(await run([entry('get', wrong)], 'get')).toEqual({
      code: 3,
      out: '',
      err: 'tortie: No pod "a"\n',
    })
  })

  it('prints the stack of a defect', async () => {
    const broken: DefineCommand = (command) => {
      command.action(() => {
        throw new TypeError('undefined is not a function')
      })
    }
    const { code, err } = await run([entry('get', broken)], 'get')
    expect(code).toBe(70)
    expect(err).toContain('program.test.ts')
  })
})
