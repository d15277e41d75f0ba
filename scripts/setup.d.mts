interface Lock {
  readonly packages: Readonly<
    Record<
      string,
      { version?: string; integrity?: string; optional?: boolean; devOptional?: boolean }
    >
  >
}

/** Whether what npm says it installed is what a lock file says. */
export function isInstalled(lock: Lock, installed: Lock): boolean
