/**
 * The path of an IPv4 setting of a link: "ipv4.conf.eth0/5.rp_filter". A dot of a link's name is a slash
 * there (sysctl(8)).
 */
export function ipv4ConfPath(link: string, key: string): string {
  return `ipv4.conf.${link.replaceAll('.', '/')}.${key}`
}
