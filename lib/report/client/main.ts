import { startApp } from './app.js';

// The script of a page in a file.

startApp(JSON.parse(document.getElementById('data')!.textContent!));
