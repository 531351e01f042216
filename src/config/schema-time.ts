/** So long a schema may take in a reader before it is told that it does not answer, in ms. */
export const schemaAnswersWithinMs = 5_000;
