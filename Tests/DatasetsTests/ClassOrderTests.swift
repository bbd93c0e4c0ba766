import SwitchbackDatasets
import TestFiles
import Testing

@Suite struct ClassOrderTests {
  @Test("integers come first, by value, then by bytes; all other names after them, by UTF-8 bytes")
  func order() {
    // Equal values are told apart by their bytes: + is 2B, - is 2D, digits follow.
    let integers = ["-12", "-3", "-0", "0", "00", "+7", "07", "7", "9", "10"]
    #expect(ClassOrder.sorted(integers.shuffled()) == integers)
    let rest = ["", " 1", "+", "-", "1 ", "1.0", "10.5", "1a", "A", "Z", "a", "b", "~", "e\u{301}", "é", "Ω", "😀"]
    let sorted = ClassOrder.sorted(rest.shuffled())
    #expect(sorted.map { Array($0.utf8) } == rest.map { Array($0.utf8) }.sorted { $0.lexicographicallyPrecedes($1) })
    let long = ["99", "123456789012345678901234567890", "123456789012345678901234567891"]
    #expect(ClassOrder.sorted(long.reversed()) == long)
    #expect(ClassOrder.sorted(["10.5", "10", "9"]) == ["9", "10", "10.5"])
    #expect(ClassOrder.sorted(["1a", "10", "9"]) == ["9", "10", "1a"])
  }

  @Test("any order in which names come gives one order")
  func independent() {
    let names = ["9", "10", "10.5", "1a", "07", "7", "-1", "x", "X", "é", "10 "]
    let sorted = ClassOrder.sorted(names)
    for _ in 0..<200 { #expect(ClassOrder.sorted(names.shuffled()) == sorted) }
  }

  @Test("a table's classes are numbered by that order, whatever comes first in the file")
  func table() throws {
    for names in [["9", "10", "10.5"], ["10", "9", "1a"], ["07", "7", "x"]] {
      for rotation in 0..<3 {
        let rotated = (0..<3).map { names[($0 + rotation) % 3] }
        let text = "x,y\n" + (0..<60).map { "\($0),\(rotated[$0 % 3])\n" }.joined()
        let path = try write(text.utf8, to: temporaryFolder() + "/table.csv")
        let parts = try CSVFile(path: path, labels: ["y"]).open()
        #expect(parts.train.classNames == ClassOrder.sorted(names))
        for index in 0..<parts.train.count {
          let sample = try parts.train.sample(index)
          #expect(parts.train.classNames[Int(sample.target[0])] == rotated[Int(sample.values[0]) % 3])
        }
      }
    }
  }
}
