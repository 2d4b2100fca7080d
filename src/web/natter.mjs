/* natter.js as an ES module: import { Natter } from './natter.mjs'. */
import './natter.js';

export const { Natter } = globalThis;
export const NatterError = Natter.Error;
export default Natter;
