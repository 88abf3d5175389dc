"""Common given names, and words that look like names and mostly are none.

A short list by hand: it finds "my friend Ivan" before any field has named him. Names outside of it are found when a
field or the words around them tell (`known`, `prose`); the rest is work for an optional model.
"""

_GIVEN = """
    aaliyah aarav aaron abdul abdullah abigail adam adrian adriana agnes agnieszka ahmad ahmed aiden aisha akira
    alan albert alberto alejandra alejandro aleksander alessandro alex alexander alexandra alexis alfonso alfred
    alfredo ali alice alicia alina alison allison alma alvaro amanda amelia amelie amina amir amit amy ana anastasia
    anders andre andrea andreas andrei andres andrew andrzej angel angela angelica angelina anika anita anjali ann
    anna anne annette annie anthony antoine anton antonia antonio anya arjun arnold arthur arturo asad ashley astrid
    audrey augustin ava ayesha barbara beatrice beatriz ben benjamin bernard bernardo beth betty beverly bianca bob
    boris bradley brandon brenda brendan brian bridget brittany bruno bryan caleb camila camille candace carl carla
    carlos carmen carol carolina caroline carolyn carrie catalina caterina catherine cathy cecilia celia cesar chad
    charlene charles charlie chen cheryl chiara chloe chris christian christina christine christoph christophe
    christopher cindy claire clara claude claudia clement colin colleen connor constance corey courtney craig
    cristian cristina crystal cynthia daiki daisuke dale damian dan dana daniel daniela danielle danny darius darren
    dave david deborah debra deepak denise dennis derek diana diane diego dieter dimitri dmitri dolores dominic
    dominik dominique donald donna doris dorothy douglas duncan dustin dylan eduardo edward edwin eileen ekaterina
    elaine eleanor elena eli elias elif elijah elisa elisabeth elizabeth ella ellen ellie elsa emil emilia emilie
    emilio emily emma emmanuel enrique eric erica erik erika erin ernest esteban esther ethan eugene eva evan evelyn
    fabian fabio farah farid fatima felicia felipe felix fernanda fernando filip fiona florian francesca francesco
    francis francisco franck frank franz fred freddie frederic frederick fredrik friedrich gabriel gabriela gareth
    gary gavin geoffrey george georgia gerald gerard gerhard gianluca gina giorgio giovanni giulia giuseppe gloria
    gonzalo gordon graham greg gregory greta guillaume guillermo gunnar gustavo hamza hannah hans harold harry
    haruto harvey hassan heather hector heidi heinrich helen helena helene henrik henry herbert hiroshi howard hugo
    hussein ian ibrahim igor ines ingrid irene irina isaac isabel isabella isabelle isaiah ivan jack jackie jacob
    jacqueline jacques jaime jake jakob jakub james jamie jan jane janet janice jared jasmine jason javier jean jeff
    jeffrey jenna jennifer jenny jeremy jerome jerry jesse jessica jesus jill jim jimmy joan joana joanna joanne
    joao joe joel johan johanna johannes john johnny jon jonas jonathan jorge jose josef joseph josephine josh
    joshua juan juana judith judy julia julian juliana julie julien juliet julio justin kamil karen karim karin karl
    karla katarina katarzyna kate katherine kathleen kathryn kathy katie katrina kayla keith kelly kelsey ken kenji
    kenneth kevin khalid kiara kim kimberly kiran klaus kofi krishna kristen kristin kristina kurt kwame kyle lara
    larry lars laura lauren laurent layla lea leah leila leo leon leonard leonardo leslie leticia liam lidia lily
    linda lindsay lisa liu logan lois lorena lorenzo lori louis louise luca lucas lucia lucie lucy luigi luis luisa
    lukas luke lydia lynn maciej madeleine magdalena maja malik manuel manuela marc marcel marcelo marco marcos
    marcus margaret margarita maria mariam mariana marie marina mario marion marisol marjorie marko marlene marta
    martha martin martina marvin mary maryam masato mateo mateusz mathew mathieu matteo matthew matthias maureen
    maurice mauricio max maxim maximilian megan mehmet mei melanie melissa mercedes mia michael michal michel
    michele michelle miguel mikael mike mikhail milan mindy miriam mitchell mohamed mohammad mohammed moises molly
    monica monika monique morgan mostafa muhammad mustafa nadia nancy naomi natalia natalie natasha nathan nathaniel
    neha neil nicholas nick nicola nicolas nicole nikhil niklas nikos nina noah noel nora norbert norma norman
    oksana olaf oleg olga oliver olivia omar oscar oskar pablo paloma pamela paola patricia patrick patrik paul
    paula paulina pauline paulo pavel pedro peggy penelope peter petra philip philipp philippe phillip phyllis
    pierre pilar piotr priya rachel rafael rahul raj rajesh ralph ramon randall raphael raquel rashid raul raymond
    rebecca regina reinhard rene renee ricardo riccardo richard rick riley rita robert roberta roberto robin rocio
    rodrigo roger roland rolf roman ron ronald rosa rosemary ross roxanne ruben rudolf russell ruth ryan sabine
    sabrina sally salma sam samantha samir samuel sandeep sandra sandy sanjay santiago sara sarah satoshi scott sean
    sebastian sergei sergio seth shane shannon sharon shawn sheila shelby shirley silvia simon simone sofia sonia
    sophia sophie spencer stacey stanley stefan stefanie stefano stella stephan stephanie stephen steve steven
    stuart sunita susan susanna susanne suzanne sven svetlana sylvia sylvie takashi tamara tammy tanya tara tatiana
    ted teresa terrence terry theo theodore theresa thiago thomas tiffany tim timothy tina tobias todd tom tomas
    tomasz tommy tony tracy travis tristan tyler ulrich ursula valentina valeria valerie vanessa vera veronica vicki
    victor victoria vijay vikram vincent vincenzo vivian vladimir wanda wayne wei wendy werner wesley wilhelm
    william wolfgang xavier yan yara yasmin yolanda youssef yuki yuri yusuf yvette yvonne zachary zeynep zoe zofia
"""
GIVEN = frozenset(_GIVEN.split())

_ALSO = """
    abbey able angel april art ash august austin autumn baker banks barn bell berry best bill bird bishop black blue
    bolt bond book booker boss branch brand bridge bright brook brooks brown buck bush butler carter case cash
    chance charity charlotte chase chip christian church claude clay close cook cooper cruise crystal dale dallas
    dawn day dean dear denver diamond dolores drew eagle earl early east eden faith fall farmer field fields finn
    fisher flora florence fly ford forest fox france frank franklin free friend frost gay gene georgia glass glen
    gold golden good grace grand grant gray green guy hall hand harbor hardy heath hill holly home hope house hunt
    hunter iris island ivory ivy jack jade january jasmine jean jersey jet jewel job jordan joy june justice key
    king knight lake lamb land lane law lee legend li lilly lily little london long love low lucky madison major man
    march marina mark market marsh mason master max may mercedes mercy merry mike milan mile miles mill miller milo
    moon moore morgan nash new noble norman north olive page paris park parker pat patience paul pearl penny perry
    pierce pike pilot pine pope porter potter power price prince queen rain ray read reed reef rich ridge river
    rivers rob robin rock rocky roman rose ross royal ruby rush rusty ryan sage sandy savannah sea shade sharp
    shepherd sidney sierra sky small smart smith snow song south spring star stark stone storm strong summer summers
    sun swan sydney taylor temple terry tiger trinity troy turner victor victoria violet virginia walker wall ward
    water waters wave way weaver webb weeks wells west white wild will wilson win winter wise wolf wood woods woody
    worth wright yellow young
"""
#: Given and family names that are also words, months, places or brands: alone and out of a field they prove nothing.
ALSO_WORDS = frozenset(_ALSO.split())

_PLACES = """
    a airlines airport airways america an and april are arena art as at august avenue bank basic bay beach born
    bridge building business but by cabin can castle cathedral church city class classic club college corp
    corporation could county court data date day days december deluxe did district do dob does drive economy email
    express february festival for force foundation friday from garden gate gmbh gold group had hall harbor has have
    he her here his hospital hotel house how i if in inc international is island it january july june lake limited
    llc ltd mall march market member monday monument mountain museum my national new no north not november october
    of on open or our park passenger passengers phone place plaza please point prize regular river road saturday
    school september services she silver so south square st stadium station status street sunday systems
    technologies terminal test that the theatre their there they this thursday to tower trust tuesday university
    valley village was we wednesday west what when where who will with would yes you your
"""
#: What follows a given name in the names of things and places: "Santiago Airport", "Victoria Street".
NOT_FAMILY = frozenset(_PLACES.split())

_TITLES = """
    actual again agent agents all also always another any available best bot both chatbot client colleague
    colleagues customer dear details dr each everybody everyone family first folks friend friends full general given
    guest hello help hi id identification just kind last madam maiden manager me middle more mr mrs ms name names
    none null number once one only other our owner passengers regards reservation sincerely sir some someone sorry
    support sure team thank thanks there these those three two type united unknown us user username users welcome
    world yours
"""
#: Words with a capital letter after "Dear", "passenger" or "name is" that are no name.
NOT_NAMES = NOT_FAMILY | frozenset(_TITLES.split())

#: Parts of names that are written small, and never stand for anybody alone.
PARTICLES = frozenset(
    (
        "al",
        "bin",
        "da",
        "de",
        "del",
        "della",
        "der",
        "di",
        "do",
        "dos",
        "du",
        "el",
        "ibn",
        "la",
        "le",
        "san",
        "van",
        "von",
        "zu",
        "y",
        "of",
        "the",
        "jr",
        "sr",
        "ii",
        "iii",
        "iv",
    )
)
