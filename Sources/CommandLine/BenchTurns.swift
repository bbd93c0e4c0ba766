import Switchback

/// The backends of `bench`, which take turns. One that fails is out from there on, and the others go on without it.
struct BenchTurns {
  struct Contender {
    let name: String
    /// Nil of one that failed.
    var speed: BackendSpeed?
    var rounds = BenchReport.Rounds()
    /// From the first that is left, in the worst step that was compared; nil of that one.
    var lossDifference: Double?
    var failure: (any Error)?
  }

  private(set) var contenders: [Contender] = []

  private var places: [Int] { contenders.indices.filter { contenders[$0].speed != nil } }

  /// What is not there at all is a mistake of whoever named it, and said before anything is measured.
  mutating func add(_ name: String, _ make: () throws -> BackendSpeed) throws {
    do {
      contenders.append(Contender(name: name, speed: try make()))
    } catch let error as BackendError where error.kind != .unavailable {
      contenders.append(Contender(name: name, failure: error))
    } catch let error as ExecutionError where error.kind != .unavailable {
      contenders.append(Contender(name: name, failure: error))
    }
  }

  /// The losses of so many steps, then the rounds. Throws where no backend is left.
  mutating func run(rounds: Int, seconds: Double, checkedSteps: Int) throws {
    var base = try compareLosses(steps: checkedSteps)
    for _ in 0..<rounds {
      for place in places {
        try attempt(place) { speed, rounds in
          rounds.training.append(try speed.trainingSpeed(seconds: seconds))
          rounds.inference.append(try speed.inferenceSpeed(seconds: seconds / 4))
          rounds.latency.append(try speed.latency(seconds: seconds / 4))
        }
      }
    }
    // The losses of the others were compared with those of one that is no longer there.
    while contenders[base].speed == nil { base = try compareLosses(steps: checkedSteps) }
  }

  /// Compares with the first that is left, and answers its place.
  private mutating func compareLosses(steps: Int) throws -> Int {
    while let base = places.first, let first = contenders[base].speed {
      contenders[base].lossDifference = nil
      for place in places.dropFirst() where contenders[base].speed != nil {
        do {
          contenders[place].lossDifference = try contenders[place].speed?.lossDifference(from: first, steps: steps)
        } catch let error where isOfBackend(error) {
          // Two backends took part. That of the first one fails without the other too.
          try attempt(base) { first, _ in _ = try first.lossDifference(from: first, steps: steps) }
          if contenders[base].speed != nil { drop(place, error) }
        }
      }
      if contenders[base].speed != nil { return base }
    }
    throw contenders.first?.failure ?? ExecutionError(.invalid, "there is no backend to measure")
  }

  private mutating func attempt(_ place: Int, _ body: (BackendSpeed, inout BenchReport.Rounds) throws -> Void) throws {
    guard let speed = contenders[place].speed else { return }
    do {
      try body(speed, &contenders[place].rounds)
    } catch let error where isOfBackend(error) { drop(place, error) }
  }

  private mutating func drop(_ place: Int, _ error: any Error) {
    (contenders[place].speed, contenders[place].failure) = (nil, error)
    contenders[place].lossDifference = nil
  }

  private func isOfBackend(_ error: any Error) -> Bool { error is BackendError || error is ExecutionError }
}
