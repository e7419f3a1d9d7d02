// What TypeDoc does not know by itself: a page of the guide is called what its first heading says, not by the name of its file,
// and the symbols of the reference are put together by topic, which the folder of lib that they come from tells.

import { Comment, CommentTag, Converter } from 'typedoc';

/** The first that a symbol's file begins with. */
const TOPICS = [
  ['model/', 'Models'],
  ['layers/', 'Models'],
  ['evaluation/', 'Models'],
  ['similarity/series/', 'Series of checkpoints'],
  ['similarity/explain/', 'Where models differ'],
  ['blocks/', 'Transformers'],
  ['verify/', 'Verification'],
  ['adapters/', 'Verification'],
  ['similarity/gate/', 'The gate'],
  ['similarity/', 'Similarity'],
  ['report/', 'Reports'],
  ['formats/', 'Files'],
  ['contraction/', 'Contractions'],
  ['identities/', 'Identities'],
  ['tensor/', 'Tensors'],
  ['', 'Backends and errors'],
];

export const ORDER = [...new Set(['Similarity', ...TOPICS.map(([, topic]) => topic)])];

export function load({ converter }) {
  converter.on(Converter.EVENT_CREATE_DOCUMENT, (_, document) => {
    const heading = /^# (.+)$/m.exec(document.content[0]?.text ?? '');
    if (heading !== null) document.name = heading[1];
  });
  converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const symbol of project.children?.flatMap(({ children = [] }) => children) ?? []) {
      const file = project.getSymbolIdFromReflection(symbol)?.packagePath.replace(/^lib\//, '') ?? '';
      const [, topic] = TOPICS.find(([folder]) => file.startsWith(folder));
      symbol.comment ??= new Comment();
      symbol.comment.blockTags.push(new CommentTag('@category', [{ kind: 'text', text: topic }]));
    }
  });
}
