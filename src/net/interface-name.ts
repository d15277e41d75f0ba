/** IFNAMSIZ less the terminating zero (linux/if.h). */
export const INTERFACE_NAME_OCTETS_MAX = 15

/** Whether the kernel takes the name for a link: dev_valid_name() in net/core/dev.c. */
export function isInterfaceName(name: string): boolean {
  return (
    name !== '' &&
    Buffer.byteLength(name) <= INTERFACE_NAME_OCTETS_MAX &&
    name !== '.' &&
    name !== '..' &&
    !/[/:\s]/.test(name)
  )
}
