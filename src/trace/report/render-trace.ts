import { styleText } from 'node:util'
import { encapsulationText } from '../predict/encapsulation.ts'
import type {
  CauseDocument,
  EndDocument,
  HopDocument,
  LegDocument,
  TraceDocument,
} from './trace-document.ts'

export interface RenderOptions {
  readonly color: boolean
  /** Under each hop the commands that show the same by hand. */
  readonly explain?: boolean
  /** Width to stay in; commands are never cut. 100 when absent. */
  readonly columns?: number
}

type Style = Parameters<typeof styleText>[0]
type Paint = (style: Style, text: string) => string

/** A trace for a person: per direction a table of hops, then the verdict with its causes. */
export function renderTrace(document: TraceDocument, options: RenderOptions): string {
  const paint: Paint = options.color
    ? (style, text) => styleText(style, text, { validateStream: false })
    : (_, text) => text
  const columns = options.columns ?? 100
  const rows = document.legs.map(rowsOfLeg)
  const widths = widthsOf(rows.flat())
  const lines = [
    ...header(document, paint, columns),
    '',
    ...document.legs.flatMap((leg, at) => [
      ...legLines(leg, rows[at]!, { widths, columns, paint, explain: options.explain === true }),
      '',
    ]),
    ...verdictLines(document, paint, columns),
  ]
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`
}

// ---------------------------------------------------------------- header

function header({ from, to }: TraceDocument, paint: Paint, columns: number): string[] {
  const text = (end: EndDocument): string => {
    const address = end.kind === 'address' ? '' : ` ${end.address}`
    return `${paint('bold', end.name)}${address} (${ownerText(end)})`
  }
  const length = plain(from).length + plain(to).length + 3
  return length <= columns
    ? [`${text(from)} → ${text(to)}`]
    : [`from ${text(from)}`, `to   ${text(to)}`]
}

function ownerText({ kind, node }: EndDocument): string {
  return kind === 'address' ? 'of no pod or node' : kind === 'node' ? 'node' : node!
}

function plain(end: EndDocument): string {
  return `${end.name} ${end.address} (${ownerText(end)})`
}

// ---------------------------------------------------------------- hops

type Mark = 'ok' | 'different' | 'missing' | 'unknown' | 'unexpected' | 'beyond'

const MARKS: Readonly<Record<Mark, { readonly sign: string; readonly style: Style }>> = {
  ok: { sign: '✓', style: 'green' },
  different: { sign: '≠', style: 'yellow' },
  missing: { sign: '✗', style: 'red' },
  unknown: { sign: '?', style: 'yellow' },
  unexpected: { sign: '!', style: 'yellow' },
  beyond: { sign: '·', style: 'dim' },
}

interface Row {
  readonly hop: HopDocument
  readonly mark: Mark
  readonly where: string
  readonly since: string
  readonly route: string
}

/** The hops of a leg with their marks; behind the first that is missing, the rest was not reached. */
function rowsOfLeg({ hops }: LegDocument): readonly Row[] {
  const lastSeen = hops.findLastIndex(({ observed }) => observed.state === 'seen')
  const firstMissing = hops.findIndex(
    ({ observed }, at) => at > lastSeen && observed.state === 'not seen',
  )
  return hops.map((hop, at) => {
    const isBeyond = firstMissing >= 0 && at > firstMissing
    return {
      hop,
      mark: isBeyond ? 'beyond' : markOf(hop),
      where: cut(hop.pod === undefined ? hop.node : shortName(hop.pod), 24),
      since: sinceText(hop),
      route: routeText(hop),
    }
  })
}

function markOf({ predicted, observed, differences }: HopDocument): Mark {
  if (observed.state === 'not seen') return 'missing'
  if (observed.state === 'not captured') return 'unknown'
  if (differences.length === 0) return 'ok'
  return predicted === undefined ? 'unexpected' : 'different'
}

function sinceText({ observed }: HopDocument): string {
  if (observed.state !== 'seen' || observed.sincePrevious === undefined) return ''
  const { sincePrevious } = observed
  return sincePrevious < 10_000
    ? `${Math.round(sincePrevious)} µs`
    : `${(sincePrevious / 1000).toFixed(1)} ms`
}

/** Without what the row says already: the interface. */
function routeText({ predicted }: HopDocument): string {
  if (predicted?.route === undefined) return ''
  return predicted.route.text
    .replace(/ dev \S+/, '')
    .replace(/ scope link| onlink/g, '')
    .replace(/ proto (\S+)/, ' ($1)')
}

function shortName(pod: string): string {
  return pod.slice(pod.indexOf('/') + 1)
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`
}

interface Widths {
  readonly where: number
  readonly link: number
  readonly since: number
}

function widthsOf(rows: readonly Row[]): Widths {
  const most = (of: (row: Row) => string, least: number): number =>
    Math.max(least, ...rows.map((row) => of(row).length))
  return {
    where: most(({ where }) => where, TITLES.forward.length),
    link: most(({ hop }) => hop.interface, 9),
    since: most(({ since }) => since, 5),
  }
}

interface LegStyle {
  readonly widths: Widths
  readonly columns: number
  readonly paint: Paint
  readonly explain: boolean
}

const TITLES = { forward: 'FORWARD', return: 'RETURN' } as const

function legLines(leg: LegDocument, rows: readonly Row[], style: LegStyle): string[] {
  const { widths, paint } = style
  const isReached = leg.leg === 'forward' || rows.some(({ hop }) => hop.observed.state === 'seen')
  const title = [
    `  ${TITLES[leg.leg].padEnd(widths.where)}`,
    'INTERFACE'.padEnd(widths.link),
    'DIR',
    'TTL',
    'SEEN',
    'SINCE'.padStart(widths.since),
    'ROUTE',
  ].join('  ')
  const heading = paint('dim', title)
  if (!isReached && !style.explain) {
    const many =
      rows.length === 0 ? '' : ` (${rows.length} ${rows.length === 1 ? 'hop' : 'hops'} predicted)`
    return [paint('dim', `  ${TITLES[leg.leg]}  not reached${many}`)]
  }
  return [heading, ...rows.flatMap((row) => rowLines(row, style)), ...endLines(leg, paint)]
}

function rowLines(row: Row, { widths, paint, explain, columns }: LegStyle): string[] {
  const { hop, mark, where, since, route } = row
  const { sign, style } = MARKS[mark]
  const isBeyond = mark === 'beyond'
  const { predicted, observed } = hop
  const expected =
    predicted === undefined ? '' : `${predicted.ttlIsUpperBound ? '≤' : ''}${predicted.ttl}`
  const cells = [
    where.padEnd(widths.where),
    hop.interface.padEnd(widths.link),
    hop.direction.padEnd(3),
    expected.padStart(3),
  ].join('  ')
  const seen = seenText(observed).padStart(4)
  const isTtlWrong = hop.differences.some((difference) => difference.startsWith('TTL'))
  const rest = `  ${paint('dim', since.padStart(widths.since))}  `
  const used = 2 + cells.length + 2 + 4 + 2 + widths.since + 2
  const line = isBeyond
    ? paint('dim', `${sign} ${cells}`)
    : `${paint(style, sign)} ${cells}  ${isTtlWrong ? paint('red', seen) : seen}${rest}${cut(route, Math.max(24, columns - used))}`
  return [line, ...detailLines(hop, isBeyond, explain).map((text) => paint('dim', `    ${text}`))]
}

function seenText(observed: HopDocument['observed']): string {
  if (observed.state === 'seen') return String(observed.ttl)
  return observed.state === 'not seen' ? '-' : '?'
}

/** "in IPIP 172.16.170.128 > 172.16.171.128, protocol 4, outer TTL 63"; a VXLAN's UDP names itself. */
function outerLine(outer: NonNullable<NonNullable<HopDocument['predicted']>['outer']>): string {
  const protocol = outer.vxlan === undefined ? `protocol ${outer.protocol}, ` : ''
  const way = `${outer.source} > ${outer.destination}`
  return `in ${encapsulationText(outer)} ${way}, ${protocol}outer TTL ${outer.ttl}`
}

/** What does not fit a cell: the outer header, differences, doubts, and the commands. */
function detailLines(hop: HopDocument, isBeyond: boolean, explain: boolean): string[] {
  const { predicted, observed, differences, notes } = hop
  const outer = observed.state === 'seen' ? observed.outer : predicted?.outer
  const commands = explain ? hop.explain.map((command) => `$ ${command}`) : []
  if (isBeyond) return commands
  return [
    ...(outer === undefined ? [] : [outerLine(outer)]),
    ...differences,
    ...(observed.state === 'not captured' ? [`not captured: ${observed.reason}`] : []),
    ...notes.filter((note) => observed.state !== 'not captured' || note !== observed.reason),
    ...commands,
  ]
}

/** Where the tables drop the packet, beneath its last hop. */
function endLines({ outcome, errors }: LegDocument, paint: Paint): string[] {
  const refusals = errors.map(
    ({ sender, text }) => `${paint('red', '✗')} ${sender} answers: ${text}`,
  )
  if (outcome.kind === 'dropped') {
    return [
      `${paint('red', '✗')} ${outcome.node}: the tables drop the packet here, ${outcome.cause}`,
      ...refusals,
    ]
  }
  if (outcome.kind === 'unknown') {
    return [`${paint('yellow', '?')} the path beyond is not known: ${outcome.reason}`, ...refusals]
  }
  return refusals
}

// ---------------------------------------------------------------- verdict

function verdictLines({ verdict }: TraceDocument, paint: Paint, columns: number): string[] {
  const { kind, sentence, causes, remarks } = verdict
  const look = { delivered: 'ok', lost: 'missing', inconclusive: 'unknown' } as const
  const { sign, style } = MARKS[look[kind]]
  return [
    ...wrap(sentence, columns - 2).map((line, at) =>
      at === 0 ? `${paint(style, sign)} ${paint('bold', line)}` : `  ${paint('bold', line)}`,
    ),
    ...remarks.flatMap((remark) =>
      wrap(remark, columns - 4).map((line, at) =>
        at === 0 ? `  ${paint('yellow', '!')} ${line}` : `    ${line}`,
      ),
    ),
    ...causes.flatMap((cause, at) => ['', ...causeLines(cause, at, paint, columns)]),
  ]
}

function causeLines(
  { sentence, confidence, evidence, mend, look, advice }: CauseDocument,
  at: number,
  paint: Paint,
  columns: number,
): string[] {
  const label = at === 0 ? 'Cause' : 'Or'
  const facts = advice === undefined ? evidence : [...evidence, advice]
  const [first = '', ...rest] = wrap(`${label}, ${confidence}: ${sentence}`, columns - 2)
  return [
    `  ${at === 0 ? paint('bold', first) : first}`,
    ...rest.map((line) => `  ${at === 0 ? paint('bold', line) : line}`),
    ...facts.flatMap((fact) =>
      wrap(fact, columns - 6).map((line, index) =>
        index === 0 ? `    · ${line}` : `      ${line}`,
      ),
    ),
    ...mend.map((command) => `    ${paint('cyan', `$ ${command}`)}`),
    ...look.map((command) => `    ${paint('dim', `$ ${command}  # shows more`)}`),
  ]
}

/** Breaks at spaces; a word that is longer than the line has one of its own. */
function wrap(text: string, columns: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
