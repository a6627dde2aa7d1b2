/// A date of the proleptic Gregorian calendar in UTC.
package struct CivilDate: Sendable, Hashable {
    /// 1970 for the year of the UNIX epoch.
    package var year: Int
    /// 1 to 12.
    package var month: Int
    /// 1 to 31.
    package var day: Int

    /// A date with these parts, which are not checked.
    package init(year: Int, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    // Years begin in March here, so that the leap day is the last day of a year. The calendar repeats every 400
    // years, which are 146,097 days; 719,468 days lie between 1 March of the year 0 and the UNIX epoch.

    /// The date this many days after 1970-01-01, or before it if negative.
    package init(daysSinceEpoch days: Int) {
        let fromMarch = days + 719_468
        let era = floorDivided(fromMarch, by: 146_097)
        let dayOfEra = fromMarch - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0)
        day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    }

    /// Days since 1970-01-01, negative before. An invalid day of a month overflows into the next month.
    package var daysSinceEpoch: Int {
        let yearFromMarch = month > 2 ? year : year - 1
        let era = floorDivided(yearFromMarch, by: 400)
        let yearOfEra = yearFromMarch - era * 400
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}

/// The quotient rounded down, also for a negative number.
package func floorDivided(_ number: Int, by divisor: Int) -> Int {
    let (quotient, remainder) = number.quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? quotient - 1 : quotient
}

/// Decimal digits, with leading zeros up to a width.
package func zeroPadded(_ number: Int, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
}
