/**
 * Whether a name is one of the patterns, in which `*` stands for any characters; linear in the length of the name.
 */
export function matchesAny(name: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => {
    const [head, ...rest] = pattern.split('*') as [string, ...string[]];
    const tail = rest.pop();
    if (tail === undefined) return name === head;
    if (!name.startsWith(head)) return false;
    let from = head.length;
    for (const piece of rest) {
      const at = name.indexOf(piece, from);
      if (at < 0) return false;
      from = at + piece.length;
    }
    return name.length - tail.length >= from && name.endsWith(tail);
  });
}
