// What is most often asked for, and needs little beside what compares two models: compiled together, apart from the rest.
export { addConvert } from './convert.js';
export { addDoctor } from './doctor.js';
export { addGate } from './gate.js';
export { addInspect } from './inspect.js';
export { addMatrix } from './matrix.js';
