import Foundation
import SwitchbackDatasets
import Testing

private func data(
  _ labels: [Int32], lengths: [Int32]? = nil, classNames: [String] = []
) throws(DatasetError) -> ArrayDataset {
  let x = ArrayDataset.Column.float32("x", [Float](repeating: 0, count: labels.count), shape: [3, 1])
  let column = ArrayDataset.Column.int32(
    "labels", labels, shape: [3], lengths: lengths == nil ? nil : "lengths")
  return try ArrayDataset(
    [x, column] + (lengths.map { [.int32("lengths", $0)] } ?? []), classNames: classNames)
}

private func message(_ body: () throws -> ArrayDataset) -> String {
  do { _ = try body() } catch { return "\(error)" }
  return ""
}

@Suite("A class for each step in data sets")
struct StepClassesTests {
  @Test("labels i32 [T] are classes of steps: their layout says so, and they have names")
  func layout() throws {
    let plain = try data([0, 1, 2, 2, 0, 1])
    #expect(plain.layout.targets == [.init("labels", .stepClasses(3), classNames: ["0", "1", "2"])])
    #expect(plain.targets == .stepClasses(3) && plain.labels.isEmpty && plain.layout.inputs.map(\.name) == ["x"])
    let named = try data([0, 1, 2, 2, 0, 1], lengths: [3, 1], classNames: ["a", "b", "c"])
    #expect(
      named.layout.targets == [
        .init("labels", .stepClasses(3), classNames: ["a", "b", "c"], lengths: "lengths")
      ])
    #expect(named.layout.others == [Field("lengths", .int32)])
    #expect(named.subset(1..<2).layout == named.layout)
  }

  @Test("what stands behind a sample's length is no class, and is 0 in a batch")
  func padding() throws {
    let padded = try data([0, 1, 1, 1, -1, 77], lengths: [3, 1])
    #expect(padded.classNames == ["0", "1"])
    #expect(try padded.numbers([0, 1])["labels"] == [0, 1, 1, 1, 0, 0])
    #expect(try data([9, 9, 9, 9, 9, 9], lengths: [0, 0]).classNames == ["0"])
  }

  @Test("a class that there is not is an error that names its row and its step; so is a length above the steps")
  func mistakes() {
    #expect(
      message { try data([0, 1, 2, 2, 0, 5], classNames: ["a", "b", "c"]) }
        == "the field labels i32 [3] has the class 5 in row 1, step 2, and there are 3 classes")
    #expect(
      message { try data([0, 1, 2, 2, 0, 5], lengths: [3, 3], classNames: ["a", "b", "c"]) }
        .contains("class 5 in row 1, step 2"))
    let negative = message { try data([0, 1, -1, 2, 0, 1]) }
    #expect(negative.contains("class -1 in row 0, step 2") && negative.contains("names that of its lengths"))
    #expect(
      message { try data([0, 1, 2, 2, 0, 1], lengths: [3, 4]) }
        == "the field lengths i32 [] is 4 in row 1, and labels i32 [3] has room for 3")
    #expect(message { try data([0, 1, 2, 2]) }.contains("no whole samples of 3"))
  }

  @Test("one number a sample is its class, whatever axis it has")
  func single() throws {
    let columns: [ArrayDataset.Column] = [.float32("x", [1, 2]), .int32("labels", [0, 1], shape: [1])]
    #expect(try ArrayDataset(columns, classNames: ["a", "b"]).targets == .classes)
    #expect(try ArrayDataset([.float32("x", [1, 2]), .int32("labels", [0, 1])]).targets == .classes)
  }

  @Test("targets are written as before, and classes of steps with how many there are")
  func coding() throws {
    func text(_ targets: DatasetTargets) throws -> String {
      String(decoding: try JSONEncoder().encode(targets), as: UTF8.self)
    }
    #expect(try [.classes, .values(2), .stepClasses(7)].map(text) == ["{}", #"{"values":2}"#, #"{"stepClasses":7}"#])
    for targets in [DatasetTargets.classes, .values(2), .stepClasses(7)] {
      #expect(try JSONDecoder().decode(DatasetTargets.self, from: Data(text(targets).utf8)) == targets)
    }
    #expect(DatasetTargets.stepClasses(7).areClasses && DatasetTargets.classes.areClasses)
    #expect(!DatasetTargets.values(2).areClasses)
  }

  @Test("a record of classes of no steps, or of more than there can be, is refused")
  func hostile() throws {
    let record = try #require(try CopyProblem(delay: 1).open().record)
    for steps in ["0", "-5", "4611686018427387904"] {
      let text = String(decoding: try JSONEncoder().encode(record), as: UTF8.self)
      let changed = text.replacing(#""stepClasses":21"#, with: #""stepClasses":\#(steps)"#)
      #expect(changed != text)
      let read = try JSONDecoder().decode(DatasetRecord.self, from: Data(changed.utf8))
      #expect(read.fault?.contains("classes of \(steps) steps are learnt") == true, "\(read.fault ?? "")")
    }
  }
}
