import { expect, test } from 'bun:test';
import { beginnings, fitted } from '../../src/commands/fit.ts';

const GAP = 2;

test('columns that fit keep their widths', () => {
  expect(
    fitted(
      [
        { width: 5, min: 1 },
        { width: 7, spare: 1 },
      ],
      14,
      GAP,
    ),
  ).toEqual([5, 7]);
});

test('the widest is narrowed first, none below its least width', () => {
  const columns = [{ width: 10, min: 8 }, { width: 20, min: 6 }, { width: 5 }];
  expect(fitted(columns, 30, GAP)).toEqual([10, 11, 5]);
  expect(fitted(columns, 27, GAP)).toEqual([9, 9, 5]);
  expect(fitted(columns, 23, GAP)).toEqual([8, 6, 5]);
  expect(fitted(columns, 5, GAP)).toEqual([8, 6, 5]);
});

test('spare columns are left out by their numbers, when narrowing does not do', () => {
  const columns = [{ width: 10, min: 5 }, { width: 8, spare: 2 }, { width: 8, spare: 1 }, { width: 4 }];
  expect(fitted(columns, 31, GAP)).toEqual([5, 8, 8, 4]);
  expect(fitted(columns, 30, GAP)).toEqual([10, 8, 0, 4]);
  expect(fitted(columns, 20, GAP)).toEqual([10, 0, 0, 4]);
  expect(fitted(columns, 12, GAP)).toEqual([6, 0, 0, 4]);
});

test('beginnings tell the texts apart', () => {
  expect(beginnings(['4e5a2c6e-9d3b', 'b0c9d1f2-6a47', '-'], 8)).toEqual(['4e5a2c6e', 'b0c9d1f2', '-']);
  expect(beginnings(['aaaaaaaa-11', 'aaaaaaaa-12'], 4)).toEqual(['aaaaaaaa-11', 'aaaaaaaa-12']);
  expect(beginnings(['aaaaa-1', 'aaaab-1', 'aaaab-1'], 2)).toEqual(['aaaaa', 'aaaab', 'aaaab']);
});
