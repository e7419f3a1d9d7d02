import type { Inspection } from '../model/reading/inspect.js';
import { SCHEMAS } from './schemas.js';

/** What a file holds as plain data, the contract `tensim.inspect/1`. */
export function inspectionJson(inspection: Inspection): Record<string, unknown> {
  const { file, files, sha256, family, description, layers, positions, inputs, outputs, degree, parameters } =
    inspection;
  const { revision, format, place, metadata, tensors, method, closes, problems, prefix } = inspection;
  const { setAside, tied, settings } = inspection;
  return {
    schema: SCHEMAS.inspect,
    file,
    revision,
    ...(format !== undefined && { format }),
    ...(place !== undefined && { place }),
    files,
    sha256,
    family,
    settings,
    description,
    layers,
    positions,
    inputs,
    outputs,
    degree,
    method,
    closes,
    parameters,
    prefix,
    setAside,
    tied,
    metadata,
    tensors,
    problems,
  };
}
