import Foundation
import SwitchbackAllocationCount
import SwitchbackDatasets
import Testing

@Suite(.enabled(if: allocation_count_works() != 0, "nothing is counted here")) struct SequenceAllocationTests {
  private func check(_ parts: DatasetParts) throws {
    let data = parts.train
    let memory = try BatchMemory(data.fields, rows: 8)
    let order = BatchOrder(count: data.count, batchSize: 8, dropsLast: true)
    try #require(order.batchCount > 2)
    for index in 0..<order.batchCount {
      let batch = order.batch(index)
      let before = allocation_count()
      try data.fill(batch, into: memory)
      let count = allocation_count() - before
      if index > 0 { #expect(count == 0) }
    }
  }

  @Test("a batch of the adding problem, of texts in files and in a table, and of a time series allocates nothing")
  func batches() throws {
    try check(AddingProblem(sequenceLength: 30, count: 100).open())
    let folder = temporaryRun()
    func write(_ text: String, _ path: String) throws -> String {
      let url = URL(fileURLWithPath: folder + "/" + path)
      try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try text.write(to: url, atomically: true, encoding: .utf8)
      return url.path
    }
    let text = "Über allen Gipfeln ist Ruh, in allen Wipfeln spürest du kaum einen Hauch"
    for n in 0..<60 { _ = try write("\(text) \(n)", "texts/\(n % 2)/\(n).txt") }
    try check(TextFolder(path: folder + "/texts").open())
    var table = CSVFile(
      path: try write("verse,kind\n" + (0..<60).map { "\"\(text)\",\($0 % 2)\n" }.joined(), "table.csv"),
      labels: ["kind"])
    table.columns = ["verse": .text]
    try check(table.open())
    let series = try write("x,y\n" + (0..<90).map { "\($0),\($0 % 7)\n" }.joined(), "series.csv")
    try check(TimeSeries(path: series, targets: ["y"], window: 5).open())
  }
}
