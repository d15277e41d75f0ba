/** Something that holds a resource until told to let go. Closing twice does nothing. */
export interface Closable {
  close(): void
}
