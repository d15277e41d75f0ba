import { Secret } from '../lib/secret.ts'

/** Own properties, and methods of classes; properties that are computed are left out. */
export function propertiesOf(value: object): [string, unknown][] {
  const found = new Map<string, unknown>(Object.entries(value))
  for (
    let prototype: unknown = Object.getPrototypeOf(value);
    typeof prototype === 'object' && prototype !== null && prototype !== Object.prototype;
    prototype = Object.getPrototypeOf(prototype)
  ) {
    for (const [key, { value: method }] of Object.entries(
      Object.getOwnPropertyDescriptors(prototype),
    )) {
      if (key !== 'constructor' && typeof method === 'function' && !found.has(key)) {
        found.set(key, method)
      }
    }
  }
  return [...found]
}

/** Whether a value does something, rather than being data. */
export function isActive(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return false
  if (value instanceof Map || value instanceof Set || value instanceof Error) return false
  if (value instanceof Secret) return false
  return propertiesOf(value).some(([, each]) => typeof each === 'function')
}
