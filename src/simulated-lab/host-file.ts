/** In the directory of a simulated lab: the socket of its host, and who the host is. */
export const HOST_SOCKET = 'lab.sock'
export const HOST_FILE = 'host.json'
