/** One text that outlives the process. */
export interface TextFile {
  /** Undefined where there is none. Throws what cannot be read. */
  read(): string | undefined
  /** The whole text or, when it is cut off, the one before; durable when it resolves. */
  write(text: string): Promise<void>
  /** Moves it out of the way, for a person to look at; answers where to. */
  setAside(): string
}

/** A {@link TextFile} that forgets with the process, for simulation and tests. */
export class MemoryTextFile implements TextFile {
  text: string | undefined
  aside: string | undefined

  read(): string | undefined {
    return this.text
  }

  write(text: string): Promise<void> {
    this.text = text
    return Promise.resolve()
  }

  setAside(): string {
    this.aside = this.text
    this.text = undefined
    return 'aside'
  }
}
