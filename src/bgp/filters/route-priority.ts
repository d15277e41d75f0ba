import type { RouteAttributes } from '../route-attributes.ts'

/**
 * Calico's route priority is the metric of the kernel's route, lower is better; between nodes it travels
 * as LOCAL_PREF = 2147483647 - priority (confd templates of 3.33).
 */
const LOCAL_PREFERENCE_OF_PRIORITY_0 = 2147483647

/** Priority of routes that carry none. */
export const NORMAL_PRIORITY = 1024

/** LOCAL_PREF up to here is one that an operator chose (100 is usual), not a priority in disguise. */
const ORDINARY_LOCAL_PREFERENCE_MAX = 2 ** 30

/** The priority that LOCAL_PREF stands for; the normal one where it stands for none. */
export function priorityOf({ localPreference }: RouteAttributes): number {
  if (localPreference === undefined || localPreference <= ORDINARY_LOCAL_PREFERENCE_MAX) {
    return NORMAL_PRIORITY
  }
  return Math.max(0, LOCAL_PREFERENCE_OF_PRIORITY_0 - localPreference)
}

export function withPriority(attributes: RouteAttributes, priority: number): RouteAttributes {
  return { ...attributes, localPreference: LOCAL_PREFERENCE_OF_PRIORITY_0 - priority }
}
