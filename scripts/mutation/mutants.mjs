// Small mistakes that a source text could have: what a mutation run makes, one at a time.
import { createHash } from 'node:crypto'
import { parseSync, visitorKeys } from 'oxc-parser'

/** What each operator is taken for. */
const COMPARISONS = {
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '===': '!==',
  '!==': '===',
}
const ARITHMETIC = { '+': '-', '-': '+', '*': '/', '%': '*', '&': '|', '|': '&' }
const ASSIGNMENTS = { '+=': '-=', '-=': '+=', '|=': '&=', '&=': '|=' }
const CALLS = { some: 'every', every: 'some', min: 'max', max: 'min' }

/** Expressions of TypeScript that are there when it runs; all else that begins with TS is types. */
const TRANSPARENT = new Set([
  'TSAsExpression',
  'TSNonNullExpression',
  'TSSatisfiesExpression',
  'TSTypeAssertion',
  'TSInstantiationExpression',
])
/** What is only said to people: a change of it is no mistake that a test should notice. */
const SAYS = /(^|\.)#?(log|logger|console|debug)(\.|$)/
const ERROR_NAME = /(Error|Exception)$|^(Error|Refused)/
/** One more or less of a time to wait or of a size changes nothing that could be asserted. */
const TUNING = /_(MILLISECONDS|SECONDS|MAX|LIMIT|SIZE|OCTETS|ROWS|PATHS|EVERY)(_|$)/

/**
 * @param {string} path for the names of the mutants
 * @param {string} text TypeScript
 * @returns {import('./mutants.d.mts').Mutant[]} in the order of the text
 */
export function mutantsOf(path, text) {
  const { program, errors } = parseSync(path, text, { sourceType: 'module' })
  if (errors.length > 0) throw new Error(`${path}: ${errors[0].message}`)
  const found = []
  const change = (operator, start, end, replacement) => {
    if (text.slice(start, end) !== replacement) found.push({ operator, start, end, replacement })
  }
  visit(program, text, change)
  return named(
    path,
    text,
    found.sort((a, b) => a.start - b.start || a.end - b.end),
  )
}

/** The text with the one mistake. */
export function mutate(text, { start, end, replacement }) {
  return text.slice(0, start) + replacement + text.slice(end)
}

/**
 * `count` of the mutants, in the order given: which, the seed and each one's own text decide, so that a
 * change of the code elsewhere leaves the choice as it was.
 */
export function sample(mutants, count, seed) {
  if (mutants.length <= count) return mutants
  const rank = (mutant) => createHash('sha1').update(`${seed} ${mutant.id}`).digest('hex')
  const ranked = mutants.map((mutant) => [rank(mutant), mutant])
  ranked.sort(([a], [b]) => (a < b ? -1 : 1))
  const chosen = new Set(ranked.slice(0, count).map(([, mutant]) => mutant))
  return mutants.filter((mutant) => chosen.has(mutant))
}

/** "- line" and "+ line" of a mutant, the lines that differ only. */
export function describeChange(text, mutant) {
  const after = mutate(text, mutant)
  const [old, now] = [text.split('\n'), after.split('\n')]
  let first = 0
  while (old[first] === now[first]) first++
  let last = 1
  while (old.length - last > first && now.length - last >= first && old.at(-last) === now.at(-last))
    last++
  const lines = (all, sign) =>
    all.slice(first, all.length - last + 1).map((line) => `${sign} ${line.trim()}`)
  return [...lines(old, '-'), ...lines(now, '+')]
}

function visit(node, text, change) {
  if (node === null || typeof node !== 'object') return
  if (Array.isArray(node)) {
    for (const one of node) visit(one, text, change)
    return
  }
  if (isLeftAlone(node, text)) return
  VISITORS[node.type]?.(node, text, change)
  for (const key of visitorKeys[node.type] ?? []) visit(node[key], text, change)
}

function isLeftAlone(node, text) {
  if (node.type.startsWith('TS') && !TRANSPARENT.has(node.type)) return true
  if (/^(Import|ExportAll)/.test(node.type)) return true
  if (node.type === 'NewExpression') {
    const name = nameOf(node.callee, text)
    return ERROR_NAME.test(name) || /^(Int|Uint|Float)\d+Array$/.test(name)
  }
  if (node.type === 'CallExpression') return SAYS.test(nameOf(node.callee, text))
  return (
    node.type === 'VariableDeclarator' &&
    node.id.type === 'Identifier' &&
    TUNING.test(`${node.id.name}_`)
  )
}

const nameOf = (node, text) => text.slice(node.start, node.end)

const isText = (node) =>
  node.type === 'TemplateLiteral' || (node.type === 'Literal' && typeof node.value === 'string')

/** Where the operator between two operands stands. */
function operatorAt({ left, right, operator }, text) {
  const start = text.indexOf(operator, left.end)
  if (start < 0 || start >= right.start) return undefined
  return [start, start + operator.length]
}

function swapOperator(table, operator) {
  return (node, text, change) => {
    const other = table[node.operator]
    const at = other === undefined ? undefined : operatorAt(node, text)
    if (at !== undefined) change(operator, ...at, other)
  }
}

const negate = (node, text, change) =>
  change('condition', node.start, node.end, `!(${text.slice(node.start, node.end)})`)

/** A comparison with one operator is turned around by the comparison itself. */
const isTurned = ({ type, operator }) => type === 'BinaryExpression' && /^[!=]==$/.test(operator)

const comparison = swapOperator(COMPARISONS, 'comparison')
const arithmetic = swapOperator(ARITHMETIC, 'arithmetic')
const assignment = swapOperator(ASSIGNMENTS, 'arithmetic')

/** Statements whose going unnoticed says that nobody needs them. */
const ENDS = new Set(['ReturnStatement', 'ThrowStatement', 'ContinueStatement', 'BreakStatement'])

const VISITORS = {
  BinaryExpression(node, text, change) {
    comparison(node, text, change)
    if (!isText(node.left) && !isText(node.right)) arithmetic(node, text, change)
  },
  AssignmentExpression(node, text, change) {
    if (!isText(node.right)) assignment(node, text, change)
  },
  LogicalExpression(node, text, change) {
    if (node.operator === '??') {
      change('logic', node.start, node.end, `(${text.slice(node.right.start, node.right.end)})`)
    } else swapOperator({ '&&': '||', '||': '&&' }, 'logic')(node, text, change)
  },
  UnaryExpression(node, text, change) {
    if (node.operator === '!') {
      change('condition', node.start, node.end, text.slice(node.argument.start, node.argument.end))
    }
  },
  UpdateExpression(node, text, change) {
    const other = node.operator === '++' ? '--' : '++'
    const argument = text.slice(node.argument.start, node.argument.end)
    change('arithmetic', node.start, node.end, node.prefix ? other + argument : argument + other)
  },
  IfStatement(node, text, change) {
    if (!isTurned(node.test) && node.test.type !== 'UnaryExpression') {
      negate(node.test, text, change)
    }
    const [only] =
      node.consequent.type === 'BlockStatement' && node.consequent.body.length === 1
        ? node.consequent.body
        : [node.consequent]
    if (ENDS.has(only.type)) change('early end', only.start, only.end, ';')
  },
  ConditionalExpression(node, text, change) {
    if (!isTurned(node.test)) negate(node.test, text, change)
  },
  ExpressionStatement({ expression, start, end }, text, change) {
    if (expression.type === 'Literal') return
    if (isLeftAlone(expression, text)) return
    change('statement', start, end, ';')
  },
  CallExpression({ callee }, _text, change) {
    if (callee.type !== 'MemberExpression' || callee.computed) return
    const other = CALLS[callee.property.name]
    if (other !== undefined) change('call', callee.property.start, callee.property.end, other)
  },
  Literal(node, text, change) {
    if (typeof node.value === 'boolean') change('constant', node.start, node.end, `${!node.value}`)
    else if (typeof node.value === 'number') {
      const raw = text.slice(node.start, node.end)
      const isPlain = /^\d+$/.test(raw)
      change('constant', node.start, node.end, isPlain ? `${node.value + 1}` : `(${raw} + 1)`)
    } else if (typeof node.value === 'bigint') {
      change('constant', node.start, node.end, `(${text.slice(node.start, node.end)} + 1n)`)
    }
  },
}

/** Gives each its line, and an identity that lines before it do not change. */
function named(path, text, found) {
  const starts = [0]
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  const alike = new Map()
  let line = 0
  return found.map((mutant) => {
    while (starts[line + 1] <= mutant.start) line++
    const lineText = text.slice(starts[line], starts[line + 1] ?? text.length).trim()
    const key = `${path} ${mutant.operator} ${mutant.start - starts[line]} ${mutant.replacement} ${lineText}`
    const ordinal = alike.get(key) ?? 0
    alike.set(key, ordinal + 1)
    const id = createHash('sha1').update(`${key} ${ordinal}`).digest('hex').slice(0, 16)
    return { id, path, line: line + 1, ...mutant }
  })
}
