// A page of the guide is called what its first heading says, not by the name of its file.

import { Converter } from 'typedoc';

export function load({ converter }) {
  converter.on(Converter.EVENT_CREATE_DOCUMENT, (_, document) => {
    const heading = /^# (.+)$/m.exec(document.content[0]?.text ?? '');
    if (heading !== null) document.name = heading[1];
  });
}
