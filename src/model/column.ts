/** Columns and cells that several kinds have. */
export const nameColumn = {
  header: 'NAME',
  value: ({ metadata }: { metadata: { name: string } }): string => metadata.name,
}

export function listCell(items: readonly string[] | undefined): string {
  return (items ?? []).join(',')
}

export function orDash(value: string | number | boolean | undefined): string {
  return value === undefined || value === '' ? '-' : String(value)
}
