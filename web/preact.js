// Preact and htm, in the one file that their authors build: all pages take them from here.

export {
  Component,
  createContext,
  html,
  render,
  useCallback,
  useContext,
  useEffect,
  useErrorBoundary,
  useLayoutEffect,
  useMemo,
  useReducer,
  useRef,
  useState,
} from "./node_modules/htm/preact/standalone.module.js";
